import { HF_ERR_EXECUTOR_INVALID, HF_ERR_EXECUTOR_TAKEN } from '../errors.ts'
import { show } from '../sse/event.ts'
import type { Executor, ExecutorLoad, ExecutorStats, Task } from './executor.ts'
import { allOf, type Moments } from './moments.ts'
import { isThenable } from './producer.ts'

const CAPABILITIES = [
  'prepare',
  'admit',
  'cancel',
  'collect',
  'stats',
  'threadTimes',
  'observe',
  'close',
] as const

/** Executors that some registration owns: threads and queues are not shared between apps. */
const owned = new WeakSet<Executor>()

/** An executor under the name that its app gave it, and the streams that it has. */
export class ExecutorSlot {
  readonly name: string
  readonly executor: Executor
  /** Moments of its streams, on all routes, and of its threads. */
  #moments: Moments = {}
  /** Tasks whose admission is being decided. */
  readonly #undecided = new Set<Task>()
  /** Tasks that are admitted and have not started. */
  readonly #waiting = new Set<Task>()
  /** Tasks that have started and are not done, also where their client has left. */
  readonly #running = new Set<Task>()
  #admitted = 0
  #refused = 0
  #lost = 0
  #onIdle: (() => void) | undefined

  /** @throws HF_ERR_EXECUTOR_INVALID */
  constructor(name: string, executor: Executor) {
    if (typeof (executor as Partial<Executor> | undefined | null)?.run !== 'function') {
      throw new HF_ERR_EXECUTOR_INVALID(name, show(executor))
    }
    for (const capability of CAPABILITIES) {
      const method: unknown = executor[capability]
      if (method === undefined || typeof method === 'function') continue
      throw new HF_ERR_EXECUTOR_INVALID(name, `one whose ${capability} is ${show(method)}`)
    }
    this.name = name
    this.executor = executor
  }

  get moments(): Moments {
    return this.#moments
  }

  /** Before the first route. */
  observe(subscribers: readonly Moments[]): void {
    const moments = allOf(subscribers)
    this.#moments = moments
    if (moments.threadUp === undefined && moments.threadGone === undefined) return
    this.executor.observe?.({
      threadUp: (thread) => moments.threadUp?.(this.name, thread),
      threadGone: (thread, cause) => moments.threadGone?.(this.name, thread, cause),
    })
  }

  /**
   * Makes the executor its registration's own.
   *
   * @throws HF_ERR_EXECUTOR_TAKEN
   */
  claim(): void {
    if (owned.has(this.executor)) throw new HF_ERR_EXECUTOR_TAKEN(this.name)
    owned.add(this.executor)
  }

  /**
   * @returns a promise where the executor answers one
   * @throws (or rejects with) what the executor refuses with
   */
  admit(task: Task): void | Promise<void> {
    let decision: void | Promise<void>
    try {
      decision = this.executor.admit?.(task, this.load)
    } catch (error) {
      this.#refused++
      throw error
    }
    if (isThenable(decision)) return this.#decide(task, decision)
    this.#admitted++
    this.#waiting.add(task)
  }

  async #decide(task: Task, decision: PromiseLike<unknown>): Promise<void> {
    this.#undecided.add(task)
    try {
      await decision
    } catch (error) {
      this.#refused++
      throw error
    } finally {
      this.#undecided.delete(task)
    }
    this.#admitted++
    this.#waiting.add(task)
  }

  /** False when the task does not wait: it has started already, or its stream was closed meanwhile. */
  start(task: Task): boolean {
    if (!this.#waiting.delete(task)) return false
    this.#running.add(task)
    return true
  }

  /** The task waits or runs no longer. False when it did not. */
  settle(task: Task): boolean {
    const counted = this.#waiting.delete(task) || this.#running.delete(task)
    if (this.#running.size === 0) this.#onIdle?.()
    return counted
  }

  /** Resolves when no task runs any more. */
  async idle(): Promise<void> {
    if (this.#running.size > 0) await new Promise<void>((resolve) => (this.#onIdle = resolve))
  }

  countLost(): void {
    this.#lost++
  }

  isWaiting(task: Task): boolean {
    return this.#waiting.has(task)
  }

  isRunning(task: Task): boolean {
    return this.#running.has(task)
  }

  get running(): Iterable<Task> {
    return this.#running
  }

  get load(): ExecutorLoad {
    return {
      running: this.#running.size,
      waiting: this.#waiting.size + this.#undecided.size,
      admitted: this.#admitted,
      refused: this.#refused,
      lost: this.#lost,
    }
  }

  stats(): ExecutorStats {
    return { ...this.load, ...this.executor.stats?.() }
  }
}
