/**
 * Whether this thread runs producers. All copies of this module on a thread share it: what a producer imports may bring
 * its own copy.
 */
const THREAD: unique symbol = Symbol.for('headfirst.producerThread') as never

/** Set on a thread that runs producers. */
interface ProducerThread {
  /** A server was about to be made on it. */
  madeServer: boolean
}

const here = globalThis as { [THREAD]?: ProducerThread }

/** This thread runs producers, from now on. */
export function markProducerThread(): void {
  here[THREAD] ??= { madeServer: false }
}

export const isProducerThread = (): boolean => here[THREAD] !== undefined

/** A server is about to be made here. True where it must not: on a thread that runs producers. */
export function refusesServer(): boolean {
  if (here[THREAD] === undefined) return false
  here[THREAD].madeServer = true
  return true
}

/** Whether a server was about to be made on this thread since the last call. */
export function takeRefusal(): boolean {
  const thread = here[THREAD]
  const madeServer = thread?.madeServer === true
  if (thread !== undefined) thread.madeServer = false
  return madeServer
}
