import type { CloseReason } from '../sse/stream.ts'
import type { Task } from './executor.ts'
import type { Route } from './route.ts'

/**
 * The producer of one stream, from its admission until it is done. It goes on after its client has left if it does not
 * stop by itself. Whether it waits or runs stands in its executor's slot alone, which counts it.
 */
export class Production {
  readonly #task: Task
  readonly #route: Pick<Route<never>, 'slot' | 'moments'>
  #startedAt: number | undefined
  #isCancelled = false
  #isSubscribed = false
  /** Set where it runs on the server's thread. */
  #onDone: (() => void) | undefined

  constructor(task: Task, route: Pick<Route<never>, 'slot' | 'moments'>) {
    this.#task = task
    this.#route = route
  }

  /** When it started, on the clock of `performance.now()`. */
  get startedAt(): number | undefined {
    return this.#startedAt
  }

  get isWaiting(): boolean {
    return this.#route.slot.isWaiting(this.#task)
  }

  get isRunning(): boolean {
    return this.#route.slot.isRunning(this.#task)
  }

  /** It has returned, and left its stream open: it is done when the stream is over. */
  get isSubscribed(): boolean {
    return this.#isSubscribed
  }

  subscribe(): void {
    this.#isSubscribed = true
  }

  /** Does nothing for one that does not wait. */
  start(headAt: number | undefined, here = false): void {
    const { slot, moments } = this.#route
    if (!slot.start(this.#task)) return
    this.#startedAt = performance.now()
    moments.started?.(this.#task, { waitedMs: this.#startedAt - (headAt ?? this.#startedAt), here })
  }

  /**
   * Starts one that waits, on the server's thread.
   *
   * @param call runs it up to its first wait, or to its end
   * @returns resolves when it is done
   */
  startHere(headAt: number | undefined, call: () => void): Promise<void> {
    const done = new Promise<void>((resolve) => (this.#onDone = resolve))
    this.start(headAt, true)
    call()
    this.#route.moments.held?.(this.#task, performance.now() - (this.#startedAt as number))
    return done
  }

  /** It is done. False where it did not wait or run any more. */
  settle(): boolean {
    const { slot, moments } = this.#route
    this.#onDone?.()
    const counted = slot.settle(this.#task)
    if (counted && this.#onDone !== undefined) moments.done?.(this.#task)
    return counted
  }

  /**
   * Its events go nowhere any more. Calls the executor's `cancel()`, at most once; one that has not started never does.
   *
   * @throws what the executor throws
   */
  cancel(reason: CloseReason): void {
    const waits = this.isWaiting
    const isDue = !this.#isCancelled && (waits || this.isRunning)
    this.#isCancelled ||= isDue
    try {
      if (isDue) this.#route.slot.executor.cancel?.(this.#task, reason)
    } finally {
      if (waits) this.settle()
    }
  }
}
