import type { Executor } from '../runtime/executor.ts'

/**
 * Runs the producer in the same turn, right after the head was flushed; where no hook waits, inside
 * `reply.sse()` itself.
 *
 * For producers that only subscribe and return, and to see the cost that the others avoid: while a producer
 * computes, nothing else on the server moves.
 */
export function inline(): Executor {
  return { run: (task) => void task.produce() }
}
