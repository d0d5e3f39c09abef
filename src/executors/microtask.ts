import type { Executor } from '../runtime/executor.ts'

/**
 * Runs the producer in a microtask after the head was flushed.
 *
 * For producers that must not run inside `reply.sse()`. It gives no isolation: microtasks run before the event loop
 * goes on, so that a producer that blocks delays every other client, as on `inline`.
 *
 * @example
 * await app.register(headfirst, { executors: { soon: microtask() } })
 */
export function microtask(): Executor {
  return { run: (task) => queueMicrotask(() => void task.produce()) }
}
