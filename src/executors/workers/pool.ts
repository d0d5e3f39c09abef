import { HF_ERR_EXECUTOR_FULL, HF_ERR_EXECUTOR_UNAVAILABLE, HF_ERR_THREAD_LOST } from '../../errors.ts'
import { streamTimeout } from '../../runtime/deadlines.ts'
import type { Executor, ExecutorDetails, ExecutorLoad, Task, ThreadTime } from '../../runtime/executor.ts'
import { portability } from '../../runtime/producer.ts'
import type { CloseReason } from '../../sse/stream.ts'
import { resolveWorkersOptions, type WorkersOptions } from './options.ts'
import { checkPortable } from './portable.ts'
import type { StreamOrder } from './protocol.ts'
import type { Running } from './running.ts'
import type { Thread } from './thread.ts'
import { LONGEST_BACK_OFF_MS, Threads } from './threads.ts'

/**
 * Runs portable producers on worker threads: they may compute, block or crash, and nobody else's stream minds.
 * The threads start with the first stream.
 *
 * @throws HF_ERR_OPTION_UNKNOWN, HF_ERR_OPTION_INVALID
 */
export function workers(options: WorkersOptions = {}): Executor {
  return new WorkerPool(resolveWorkersOptions(options))
}

/** Admission, the queue, and placement; the threads' own life is that of {@link Threads}. */
class WorkerPool implements Executor {
  readonly #options: Required<WorkersOptions>
  /** Waiting for a place, in the order of their arrival, with the time when each gives up. */
  #queue = new Map<Task, number>()
  /** Where each task is that a thread was given. */
  readonly #places = new Map<Task, { thread: Thread; stream: number; running: Running }>()
  /** Started with the first stream. */
  #threads: Threads | undefined
  #streamCount = 0
  #queueTimer: NodeJS.Timeout | undefined
  #onIdle: (() => void) | undefined
  /** How long a stream occupies its place, in ms: a moving average; 0 while none is known. */
  #serviceMs = 0

  constructor(options: Required<WorkersOptions>) {
    this.#options = options
  }

  get mayBlock(): boolean {
    return true
  }

  get compresses(): boolean {
    return true
  }

  prepare(task: Task): void | Promise<void> {
    return checkPortable(task)
  }

  admit(task: Task, { running, waiting }: ExecutorLoad): void {
    const { threads, streamsPerThread, maxQueue } = this.#options
    if (this.#onIdle !== undefined) throw this.#refusal(task, 'it is closing')
    const failure = this.#threads?.failure
    if (failure !== undefined) throw this.#refusal(task, 'its threads die while they start', failure)
    if (running + waiting < threads * streamsPerThread + maxQueue) return
    const retryAfterMs = (this.#serviceMs * (waiting + 1)) / (threads * streamsPerThread)
    throw Object.assign(new HF_ERR_EXECUTOR_FULL(task.executor, running, waiting), retryAfter(retryAfterMs))
  }

  run(task: Task): void {
    this.#threads ??= new Threads(this.#options, {
      ready: () => this.#place(),
      // A cancelled one that was about to start when it was told.
      started: (running) => running.grace !== undefined && this.#expect(running),
      done: (running) => this.#free(running),
      orphaned: (streams) => this.#queueAgain(streams),
      failed: (cause) => this.#logFailure(cause),
    })
    this.#queue.set(task, performance.now() + this.#options.maxQueueWaitMs)
    this.#place()
  }

  cancel(task: Task, reason: CloseReason): void {
    this.#queue.delete(task)
    const place = this.#places.get(task)
    if (place === undefined) return
    const { thread, stream, running } = place
    thread.close(stream, running, reason)
    if (running.grace === undefined) this.#expect(running)
  }

  /** The producer of a cancelled stream has to be done soon. */
  #expect(running: Running): void {
    const { graceMs } = this.#options
    const ms = running.started ? graceMs : Math.max(graceMs, LOADING_MS)
    clearTimeout(running.grace)
    running.grace = setTimeout(() => this.#terminate(running, ms), ms).unref()
  }

  stats(): ExecutorDetails {
    return { threads: this.#threads?.size ?? 0 }
  }

  threadTimes(): readonly ThreadTime[] {
    return this.#threads?.times() ?? []
  }

  async close(graceMs: number): Promise<void> {
    const idle = new Promise<void>((resolve) => (this.#onIdle = resolve))
    const timer = setTimeout(() => this.#onIdle?.(), graceMs)
    this.#leaveIfIdle()
    await idle
    clearTimeout(timer)
    clearTimeout(this.#queueTimer)
    await this.#threads?.close()
  }

  /** Gives waiting streams to threads, first come first served, as long as there are places. */
  #place(): void {
    for (const [task, until] of this.#queue) {
      const thread = this.#threads?.leastBusy(this.#options.streamsPerThread)
      if (thread === undefined) break
      this.#queue.delete(task)
      this.#give(task, until, thread)
    }
    this.#watchQueue()
  }

  #give(task: Task, until: number, thread: Thread): void {
    const slot = thread.takeSlot()
    const stream = (this.#streamCount = (this.#streamCount + 1) | 0)
    const running: Running = {
      task,
      slot,
      credit: thread.credit(slot),
      since: performance.now(),
      until,
      received: 0,
      behind: false,
      parts: [],
      started: false,
      grace: undefined,
    }
    const { module, name } = portability(task.producer) as { module: string; name: string | undefined }
    const order: StreamOrder = {
      stream,
      slot,
      producer: { module, name },
      input: task.input,
      lastEventId: task.lastEventId,
      context: task.context,
      coded: task.coded,
      logLevel: task.log.level,
      highWaterMark: task.options.highWaterMark,
      blockOver: task.options.overflow === 'block' ? task.options.maxBuffered : undefined,
    }
    this.#places.set(task, { thread, stream, running })
    this.#threads?.give(thread, order, running)
  }

  #free({ task, since, credit }: Running): void {
    this.#places.delete(task)
    if (credit.begun) this.#measure(performance.now() - since)
    this.#place()
    this.#leaveIfIdle()
  }

  #measure(serviceMs: number): void {
    this.#serviceMs =
      this.#serviceMs === 0 ? serviceMs : this.#serviceMs + (serviceMs - this.#serviceMs) * NEWEST_SHARE
  }

  /** Streams whose thread died before it began them wait for another one, in the order of arrival among the rest. */
  #queueAgain(streams: readonly Running[]): void {
    const again = streams.filter(({ task }) => !task.closed).map(({ task, until }) => [task, until] as const)
    this.#queue = new Map([...again, ...this.#queue].toSorted(([, one], [, other]) => one - other))
    clearTimeout(this.#queueTimer)
    this.#queueTimer = undefined
    this.#place()
  }

  #terminate({ task, started }: Running, ms: number): void {
    const thread = this.#places.get(task)?.thread
    // For another of its streams already.
    if (thread === undefined || thread.cause !== undefined) return
    const what = started ? 'its producer did not stop' : 'its thread did not get to its producer'
    thread.cause = new HF_ERR_THREAD_LOST(`a stream of ${task.route} was closed, and ${what} within ${ms} ms`)
    task.log.error({ err: thread.cause, route: task.route }, 'a worker thread is terminated')
    void thread.worker.terminate()
  }

  /** One timer, for the stream that has waited longest. */
  #watchQueue(): void {
    if (this.#queueTimer !== undefined || this.#queue.size === 0) return
    const [deadline] = this.#queue.values() as Iterable<number> as [number]
    this.#queueTimer = setTimeout(
      () => {
        this.#queueTimer = undefined
        const now = performance.now()
        for (const [task, until] of this.#queue) {
          if (until > now) break
          this.#queue.delete(task)
          task.cut('timeout', streamTimeout('maxQueueWaitMs', this.#options.maxQueueWaitMs))
        }
        this.#watchQueue()
      },
      Math.max(deadline - performance.now(), 0),
    ).unref()
  }

  #leaveIfIdle(): void {
    if (this.#places.size === 0) this.#onIdle?.()
  }

  /** A pool has no log of its own: that of the stream that has waited longest has to do. */
  #logFailure(cause: Error): void {
    const [task] = this.#queue.keys()
    task?.log.error({ err: cause, executor: task.executor }, 'a worker thread died while it started')
  }

  #refusal(task: Task, why: string, cause?: Error): Error {
    return Object.assign(
      new HF_ERR_EXECUTOR_UNAVAILABLE(task.executor, why, { cause }),
      retryAfter(LONGEST_BACK_OFF_MS / 10),
    )
  }
}

/**
 * How long a thread may load the module of a stream that was cancelled meanwhile, in ms. Others wait for the same
 * module: a client that leaves while it loads must not have the thread terminated under them.
 */
const LOADING_MS = 30_000

/** How much the newest service time counts in their moving average. */
const NEWEST_SHARE = 0.1

/** What a refusal tells the client: the header, in whole seconds (RFC 9110, 10.2.3). */
function retryAfter(ms: number): { headers: { 'retry-after': string }; retryAfterMs: number } {
  return { headers: { 'retry-after': String(Math.max(1, Math.ceil(ms / 1_000))) }, retryAfterMs: ms }
}
