import type { Executor } from '../runtime/executor.ts'

/**
 * Runs the producer right after the head was flushed, in the same turn of the event loop. If no hook is asynchronous,
 * it runs inside `reply.sse()` itself.
 *
 * For producers that subscribe and return, or only await. While a producer computes, nothing else runs on the server's
 * thread.
 *
 * @example
 * await app.register(headfirst, { executors: { here: inline() } })
 */
export function inline(): Executor {
  return { run: (task) => void task.produce() }
}
