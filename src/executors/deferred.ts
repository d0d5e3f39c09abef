import { performance } from 'node:perf_hooks'
import type { Executor, Task } from '../runtime/executor.ts'
import { checkOptions, milliseconds } from '../runtime/option-rules.ts'
import { SLICE_MS, slices } from '../runtime/producer.ts'

export interface DeferredOptions {
  /**
   * How long a generator may go on before it waits for its next turn, in ms. Default 5, from 1. It is looked at
   * after each event, so that what computes between two of them is never cut.
   */
  sliceMs?: number
}

/**
 * However busy the loop is with input and output, a producer waits no longer for it than this many turns. Turns, not
 * time: a turn accepts at most one connection, and the length of a turn is no measure of how many clients wait.
 */
const LONGEST_LOOK_TURNS = 64

/**
 * Runs producers from a fair queue on the event loop, one at a time, each as soon as a turn of the loop has
 * brought nothing new: then every client that has come meanwhile has its head, and waits for the producer that
 * runs, not for all that are queued. A generator is resumed slice by slice.
 *
 * `setImmediate` would not do: Node runs all callbacks that are due in one phase. Nor would one producer per
 * turn: the loop accepts one connection per turn, so that clients would queue before the door instead.
 *
 * @throws HF_ERR_OPTION_UNKNOWN, HF_ERR_OPTION_INVALID
 */
export function deferred(options: DeferredOptions = {}): Executor {
  const { sliceMs = SLICE_MS } = checkOptions(options, { sliceMs: milliseconds(1) }, 'deferred()')
  const queue = new FairQueue()
  const starts = new Map<Task, () => void>()

  return {
    run(task) {
      const start = (): void => {
        starts.delete(task)
        void task.produce(slices(sliceMs, (resume) => queue.add(resume)))
      }
      starts.set(task, start)
      queue.add(start)
    },
    cancel(task) {
      const start = starts.get(task)
      if (start === undefined) return
      starts.delete(task)
      queue.delete(start)
    },
  }
}

/** Jobs in the order of their arrival, one at a time, each after a turn of the loop without news. */
class FairQueue {
  readonly #jobs = new Set<() => void>()
  #scheduled = false
  /** What the loop had processed when it was last looked at; none while it was not since the last job. */
  #eventsSeen: number | undefined
  /** Turns that the loop was looked at since the last job. */
  #looks = 0

  add(job: () => void): void {
    this.#jobs.add(job)
    this.#schedule()
  }

  delete(job: () => void): void {
    this.#jobs.delete(job)
  }

  #schedule(): void {
    if (this.#scheduled || this.#jobs.size === 0) return
    this.#scheduled = true
    setImmediate(this.#onTurn)
  }

  readonly #onTurn = (): void => {
    this.#scheduled = false
    const [job] = this.#jobs
    if (job === undefined) return
    if (this.#isQuiet()) {
      this.#jobs.delete(job)
      this.#eventsSeen = undefined
      this.#looks = 0
      // What is scheduled while immediates run comes in the next turn of the loop.
      this.#schedule()
      job()
    } else {
      this.#schedule()
    }
  }

  /** Whether the loop has polled since the last look, and found nothing to do. */
  #isQuiet(): boolean {
    const { events } = performance.nodeTiming.uvMetricsInfo
    const quiet = events === this.#eventsSeen || this.#looks === LONGEST_LOOK_TURNS
    this.#eventsSeen = events
    this.#looks++
    return quiet
  }
}
