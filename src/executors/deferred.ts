import { performance } from 'node:perf_hooks'
import type { Executor, Task } from '../runtime/executor.ts'
import { checkOptions, milliseconds } from '../runtime/option-rules.ts'
import { SLICE_MS, slices } from '../runtime/producer.ts'

/** Options of {@link deferred}. */
export interface DeferredOptions {
  /**
   * How long a generator runs before it waits for its next turn, in ms: a whole number from 1 to 2147483647. It is
   * checked after each event. A computation between two events is never interrupted.
   *
   * @default 5
   */
  sliceMs?: number
}

/**
 * If the event loop is busy with input and output all the time, a producer waits for at most this many turns. Turns,
 * not ms: a turn accepts at most one connection, so that its length does not show how many clients wait.
 */
const LONGEST_LOOK_TURNS = 64

/**
 * Runs producers on the server's thread, one at a time, from a first-in, first-out queue. For producers that compute
 * for some milliseconds.
 *
 * The next producer starts when a turn of the event loop has processed no event. By then every client that has
 * connected has its head: it waited for one producer, not for the whole queue. A generator runs in slices of `sliceMs`.
 *
 * `setImmediate` for each producer would not do this: Node runs all immediates that are due in one phase. One producer
 * per turn would not either: a turn accepts one connection, so that clients would wait for their connection instead.
 *
 * @throws HF_ERR_OPTION_UNKNOWN if an option does not exist
 * @throws HF_ERR_OPTION_INVALID if `sliceMs` is out of its range
 * @example
 * await app.register(headfirst, { executors: { slow: deferred({ sliceMs: 2 }) } })
 * app.get('/report', { sse: { executor: 'slow' } }, async (request, reply) => reply.sse(report))
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

/** Runs jobs in the order of their arrival, one at a time, each after a turn of the event loop without events. */
class FairQueue {
  readonly #jobs = new Set<() => void>()
  #scheduled = false
  /** Events that the loop had processed at the last check; undefined if there was no check since the last job. */
  #eventsSeen: number | undefined
  /** Checks of the loop since the last job, one per turn. */
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
      // An immediate that is scheduled by an immediate runs in the next turn of the loop.
      this.#schedule()
      job()
    } else {
      this.#schedule()
    }
  }

  /** True if the loop has processed no event since the last check, or after LONGEST_LOOK_TURNS checks. */
  #isQuiet(): boolean {
    const { events } = performance.nodeTiming.uvMetricsInfo
    const quiet = events === this.#eventsSeen || this.#looks === LONGEST_LOOK_TURNS
    this.#eventsSeen = events
    this.#looks++
    return quiet
  }
}
