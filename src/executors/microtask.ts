import type { Executor } from '../runtime/executor.ts'

/**
 * Runs the producer in a microtask after the head was flushed.
 *
 * For producers that must not run inside `reply.sse()`. It isolates nobody: microtasks run before the event
 * loop goes on, so that a producer that blocks delays every other client as it does `inline`.
 */
export function microtask(): Executor {
  return { run: (task) => queueMicrotask(() => void task.produce()) }
}
