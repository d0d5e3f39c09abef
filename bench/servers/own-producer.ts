import type { PortableProducer } from 'headfirst'
import type { OwnExecutor } from './own-executor.ts'

/** A user's producer, under the name of its file. */
export interface OwnProducer extends OwnExecutor {
  /** Whether its streams wait more than they compute, so that a worker thread may run many of them. */
  waits: boolean
}

/** The mark of what headfirst's `producer()` returns. */
const PORTABLE = Symbol.for('headfirst.portable')

const isPortable = (exported: unknown): exported is PortableProducer<unknown> =>
  typeof exported === 'function' && PORTABLE in exported

/**
 * The producer of a user's module: its default export, or the only portable one that it exports.
 *
 * @throws when there is none, more than one, or one that a thread can't import
 */
export async function loadProducer(url: string): Promise<PortableProducer<unknown>> {
  const exports = (await import(url)) as Record<string, unknown>
  if (isPortable(exports['default'])) return exports['default']
  const [found, ...others] = Object.entries(exports).filter(([, exported]) => isPortable(exported))
  const wanted = `${url} should export one portable producer (what producer(import.meta.url, …) returns)`
  if (found === undefined) {
    const names = Object.keys(exports).join(', ')
    throw new Error(`${wanted}; it exports ${names === '' ? 'nothing' : `none among: ${names}`}`)
  }
  if (others.length > 0) {
    const names = [found, ...others].map(([name]) => name).join(', ')
    throw new Error(`${wanted}, or one as its default export; it exports ${names}`)
  }
  return found[1] as PortableProducer<unknown>
}
