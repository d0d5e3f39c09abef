/** Finding a portable producer: checked on the server's thread before the head, done on the worker after it. */
import { realpathSync } from 'node:fs'
import { createRequire } from 'node:module'
import { posix } from 'node:path'
import { fileURLToPath } from 'node:url'
import {
  HF_ERR_PRODUCER_AMBIGUOUS,
  HF_ERR_PRODUCER_IN_ENTRY,
  HF_ERR_PRODUCER_MODULE,
  HF_ERR_PRODUCER_NOT_EXPORTED,
  HF_ERR_PRODUCER_NOT_PORTABLE,
  HF_ERR_SERVER_ON_THREAD,
} from '../../errors.ts'
import type { Task } from '../../runtime/executor.ts'
import { isProducerThread, takeRefusal } from '../../runtime/producer-thread.ts'
import { portability, type PortableProducer } from '../../runtime/producer.ts'
import { checkCloneable } from './cloning.ts'

/** What a worker is told to find a producer. */
export interface ProducerReference {
  module: string
  name: string | undefined
}

/** What tells a producer's module from others. */
export const moduleKey = ({ module, name }: ProducerReference): string => `${module}\n${name ?? ''}`

/** References that were found, so that a module is looked at once. */
const found = new Set<string>()

/**
 * Checks that a thread will be able to run the task.
 *
 * @returns a promise the first time that a producer is seen, while its module is looked at
 * @throws (or rejects with) HF_ERR_PRODUCER_NOT_PORTABLE, HF_ERR_PRODUCER_IN_ENTRY, HF_ERR_PRODUCER_MODULE,
 *   HF_ERR_PRODUCER_NOT_EXPORTED, HF_ERR_PRODUCER_AMBIGUOUS, HF_ERR_INPUT_NOT_CLONEABLE
 */
export function checkPortable(
  task: Pick<Task, 'executor' | 'route' | 'producer' | 'input' | 'context'>,
): Promise<void> | undefined {
  const reference = portability(task.producer)
  if (reference === undefined) throw new HF_ERR_PRODUCER_NOT_PORTABLE(task.route, task.executor)
  checkCloneable(task)
  const key = moduleKey(reference)
  if (found.has(key)) return undefined
  if (isEntry(reference.module))
    throw inModule(reference.module, new HF_ERR_PRODUCER_IN_ENTRY(fileName(reference.module)))
  return findProducer(reference).then(() => void found.add(key))
}

/**
 * Imports a module and finds a producer in it: by the name of its export, by the name that it was given (a
 * bundler may rename exports), or because it is the only one.
 *
 * @throws HF_ERR_PRODUCER_MODULE, HF_ERR_SERVER_ON_THREAD, HF_ERR_PRODUCER_NOT_EXPORTED, HF_ERR_PRODUCER_AMBIGUOUS
 */
export async function findProducer({ module, name }: ProducerReference): Promise<PortableProducer<never>> {
  let exported: object
  try {
    exported = (await import(/* @vite-ignore */ /* webpackIgnore: true */ module)) as object
  } catch (cause) {
    throw moduleFailed(module, cause, isProducerThread())
  }
  const producers = Object.entries(exported).filter(([, value]) => portability(value) !== undefined)
  const match =
    name === undefined
      ? producers[0]
      : (producers.find(([key]) => key === name) ??
        producers.find(([, value]) => portability(value)?.name === name))
  const names = producers.map(([key]) => key).join(', ')
  if (match === undefined) {
    const wanted = name === undefined ? 'without a name' : `"${name}"`
    throw inModule(module, new HF_ERR_PRODUCER_NOT_EXPORTED(wanted, fileName(module), names || 'none'))
  }
  if (name === undefined && new Set(producers.map(([, value]) => value)).size > 1) {
    throw inModule(module, new HF_ERR_PRODUCER_AMBIGUOUS(fileName(module), names))
  }
  return match[1] as PortableProducer<never>
}

/** What a module fails of that does not load. */
export function moduleFailed(module: string, cause: unknown, onThread: boolean): Error {
  // Whatever the module makes of it.
  const madeServer = takeRefusal() || codeOf(cause) === 'HF_ERR_SERVER_ON_THREAD'
  if (madeServer) return serverMade(module, cause)
  const where = onThread ? 'on a worker thread' : "on the server's thread"
  return inModule(module, new HF_ERR_PRODUCER_MODULE(fileName(module), where, { cause }))
}

export const serverMade = (module: string, cause?: unknown): Error =>
  inModule(module, new HF_ERR_SERVER_ON_THREAD({ cause }))

const codeOf = (thrown: unknown): unknown => (thrown as { code?: unknown } | null | undefined)?.code

/** The whole URL is for the log: an error before the head is replied with its message. */
const inModule = <Coded extends Error>(module: string, error: Coded): Coded =>
  Object.assign(error, { module })

/** Of a module, as much as a client may see. */
function fileName(module: string): string {
  const { protocol, pathname } = new URL(module)
  return protocol === 'file:' ? posix.basename(pathname) : `${protocol}…`
}

/** The module that Node was started with: there the server itself is made. */
let entry: string | undefined

function isEntry(module: string): boolean {
  if (!module.startsWith('file:')) return false
  entry ??= realpath(process.argv[1] ?? '')
  return entry !== '' && realpath(fileURLToPath(module)) === entry
}

/** As Node finds what it is started with: a file, one with an extension (`node server`), the main one of a folder. */
function realpath(path: string): string {
  const { resolve } = createRequire(import.meta.url)
  for (const extension of ['', '.mjs', '.ts', '.mts']) {
    try {
      return realpathSync(resolve(path + extension))
    } catch {
      // Not this one.
    }
  }
  return ''
}
