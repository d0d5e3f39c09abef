/** Finds a portable producer in its module: on the server's thread before the head, to check it, then where it runs. */
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

/** Where a producer is found. */
export interface ProducerReference {
  /** The module's URL. */
  module: string
  /** The name of the export; undefined if the module exports one producer only. */
  name: string | undefined
}

/** Where a task is going to run. */
export interface CheckPortableOptions {
  /**
   * Whether the producer shares the server's memory, because it runs on a thread of the same process. With `false`, for
   * another process or machine, what only threads can share or copy is refused too: a `SharedArrayBuffer`, and objects
   * of Node such as `KeyObject` and `Blob`.
   *
   * @default true
   */
  sharedMemory?: boolean
}

/** A key of a reference, for maps and sets. */
export const moduleKey = ({ module, name }: ProducerReference): string => `${module}\n${name ?? ''}`

/** Keys of references that were found: each is checked once. */
const found = new Set<string>()

/**
 * Checks, before the head, that a task can run on another thread, in another process or on another machine. Use it as
 * an executor's `prepare()`.
 *
 * @returns a promise until the module of a new producer is loaded and checked, else undefined
 * @throws HF_ERR_PRODUCER_NOT_PORTABLE if the producer is a closure
 * @throws HF_ERR_INPUT_NOT_CLONEABLE if the input or the context holds a value that a copy would change
 * @throws HF_ERR_PRODUCER_IN_ENTRY if the producer is in the entry module of the process
 * @throws (rejects with) HF_ERR_PRODUCER_MODULE if the module does not load, HF_ERR_PRODUCER_NOT_EXPORTED if it does
 *   not export the producer, HF_ERR_PRODUCER_AMBIGUOUS if it exports several and this one has no name
 * @example
 * const elsewhere: Executor = {
 *   prepare: (task) => checkPortable(task, { sharedMemory: false }),
 *   run: (task) => void new NearEnd(task, (message) => child.send(message)),
 * }
 */
export function checkPortable(
  task: Pick<Task, 'executor' | 'route' | 'producer' | 'input' | 'context'>,
  { sharedMemory }: CheckPortableOptions = {},
): Promise<void> | undefined {
  const reference = portability(task.producer)
  if (reference === undefined) throw new HF_ERR_PRODUCER_NOT_PORTABLE(task.route, task.executor)
  checkCloneable(task, sharedMemory)
  const key = moduleKey(reference)
  if (found.has(key)) return undefined
  if (isEntry(reference.module))
    throw inModule(reference.module, new HF_ERR_PRODUCER_IN_ENTRY(fileName(reference.module)))
  return findProducer(reference).then(() => void found.add(key))
}

/**
 * Imports a module and finds a producer in it: by the name of its export, by its option `name` (a bundler may rename
 * exports), or as its only producer.
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

/** Makes the error for a module that does not load. */
export function moduleFailed(module: string, cause: unknown, onThread: boolean): Error {
  // The module may have caught the refusal, and thrown another error.
  const madeServer = takeRefusal() || codeOf(cause) === 'HF_ERR_SERVER_ON_THREAD'
  if (madeServer) return serverMade(module, cause)
  const where = onThread ? 'on a worker thread' : "on the server's thread"
  return inModule(module, new HF_ERR_PRODUCER_MODULE(fileName(module), where, { cause }))
}

export const serverMade = (module: string, cause?: unknown): Error =>
  inModule(module, new HF_ERR_SERVER_ON_THREAD({ cause }))

const codeOf = (thrown: unknown): unknown => (thrown as { code?: unknown } | null | undefined)?.code

/** Adds the whole URL as a property, for the log only: before the head, the message is sent to the client. */
const inModule = <Coded extends Error>(module: string, error: Coded): Coded =>
  Object.assign(error, { module })

/** The part of a module's URL that a client may see. */
function fileName(module: string): string {
  const { protocol, pathname } = new URL(module)
  return protocol === 'file:' ? posix.basename(pathname) : `${protocol}…`
}

/** The path of the module that Node was started with, which starts the server. */
let entry: string | undefined

function isEntry(module: string): boolean {
  if (!module.startsWith('file:')) return false
  entry ??= realpath(process.argv[1] ?? '')
  return entry !== '' && realpath(fileURLToPath(module)) === entry
}

/** Resolves a path like Node's command line: a file, a file without its extension (`node server`), or a folder. */
function realpath(path: string): string {
  const { resolve } = createRequire(import.meta.url)
  for (const extension of ['', '.mjs', '.ts', '.mts']) {
    try {
      return realpathSync(resolve(path + extension))
    } catch {
      // The next extension.
    }
  }
  return ''
}
