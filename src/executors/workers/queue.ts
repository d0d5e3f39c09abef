import type { Task } from '../../runtime/executor.ts'

/** Tasks that wait for a place on a thread, in the order of their arrival, each for a limited time. */
export class Queue implements Iterable<readonly [task: Task, until: number]> {
  readonly #waitMs: number
  readonly #onExpired: (task: Task) => void
  /** With the time when each is over, on the clock of `performance.now()`; ascending. */
  #tasks = new Map<Task, number>()
  /** For the task that has waited longest, or for one that waits no longer. */
  #timer: NodeJS.Timeout | undefined

  /**
   * @param waitMs how long a task may wait, in ms
   * @param onExpired called with a task that has waited so long, and is no longer in the queue
   */
  constructor(waitMs: number, onExpired: (task: Task) => void) {
    this.#waitMs = waitMs
    this.#onExpired = onExpired
  }

  get oldest(): Task | undefined {
    const [oldest] = this.#tasks.keys()
    return oldest
  }

  /** As for a `Map`: what is deleted during the iteration does no harm. */
  [Symbol.iterator](): Iterator<readonly [task: Task, until: number]> {
    return this.#tasks.entries()
  }

  add(task: Task): void {
    this.#tasks.set(task, performance.now() + this.#waitMs)
  }

  /** Tasks that were in the queue before take their places again, and wait no longer for it. */
  addAgain(tasks: Iterable<{ readonly task: Task; readonly until: number }>): void {
    const again = Array.from(tasks, ({ task, until }) => [task, until] as const)
    this.#tasks = new Map([...again, ...this.#tasks].toSorted(([, one], [, other]) => one - other))
    this.close()
  }

  delete(task: Task): void {
    this.#tasks.delete(task)
  }

  /** No task expires before the next {@link watch}. */
  close(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
  }

  /** To be called once all that can have a place has one. One timer, for the task that has waited longest. */
  watch(): void {
    const [until] = this.#tasks.values()
    if (this.#timer !== undefined || until === undefined) return
    this.#timer = setTimeout(() => this.#expire(), Math.max(until - performance.now(), 0)).unref()
  }

  #expire(): void {
    this.#timer = undefined
    const now = performance.now()
    for (const [task, until] of this.#tasks) {
      if (until > now) break
      this.#tasks.delete(task)
      this.#onExpired(task)
    }
    this.watch()
  }
}
