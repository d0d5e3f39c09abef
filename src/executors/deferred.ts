import type { Executor, Task } from '../runtime/executor.ts'
import { checkOptions, milliseconds } from '../runtime/options.ts'
import { SLICE_MS, slices } from '../runtime/producer.ts'

export interface DeferredOptions {
  /**
   * How long a generator may go on before it waits for its next turn, in ms. Default 5, from 1. It is looked at
   * after each event, so that what computes between two of them is never cut.
   */
  sliceMs?: number
}

/**
 * Runs producers from a fair queue on the event loop: one per turn of the loop, so that between two of them
 * heads of new clients go out. (Node runs all `setImmediate` callbacks that are due in one phase: queued that
 * way, a new client would wait for every producer before it.) A generator is resumed slice by slice.
 *
 */
export function deferred(options: DeferredOptions = {}): Executor {
  const { sliceMs = SLICE_MS } = checkOptions(options, { sliceMs: milliseconds(1) }, 'deferred()')
  const queue = new Set<() => void>()
  const starts = new Map<Task, () => void>()

  let scheduled = false

  const enqueue = (job: () => void): void => {
    queue.add(job)
    schedule()
  }
  const schedule = (): void => {
    if (scheduled || queue.size === 0) return
    scheduled = true
    setImmediate(turn)
  }
  const turn = (): void => {
    scheduled = false
    const [job] = queue
    if (job === undefined) return
    queue.delete(job)
    // What is scheduled while immediates run comes in the next turn of the loop.
    schedule()
    job()
  }
  return {
    run(task) {
      const start = (): void => {
        starts.delete(task)
        void task.produce(slices(sliceMs, enqueue))
      }
      starts.set(task, start)
      enqueue(start)
    },
    cancel(task) {
      const start = starts.get(task)
      if (start === undefined) return
      starts.delete(task)
      queue.delete(start)
    },
  }
}
