/** One file, because admission, the queue and placement all count the same places, and modules decide on each. */
import { AsyncResource } from 'node:async_hooks'
import { HF_ERR_EXECUTOR_FULL, HF_ERR_EXECUTOR_UNAVAILABLE, HF_ERR_THREAD_LOST } from '../../errors.ts'
import { streamTimeout } from '../../runtime/deadlines.ts'
import type {
  Executor,
  ExecutorDetails,
  ExecutorLoad,
  Task,
  ThreadMoments,
  ThreadTime,
} from '../../runtime/executor.ts'
import type { CloseReason } from '../../sse/stream.ts'
import { Modules, type LoadFailure } from './modules.ts'
import { resolveWorkersOptions, type WorkersOptions } from './options.ts'
import { Queue } from './queue.ts'
import { orderOf, referenceOf } from '../elsewhere/order.ts'
import { checkPortable, moduleFailed, moduleKey, type ProducerReference } from '../elsewhere/portable.ts'
import type { StreamOrder } from './protocol.ts'
import { Running } from './running.ts'
import { ServiceTime } from './service-time.ts'
import type { Thread } from './thread.ts'
import { LONGEST_BACK_OFF_MS, Threads } from './threads.ts'

/**
 * Runs portable producers on worker threads. A producer may compute, block or crash without harm to the streams of
 * other threads. The threads start with the first stream.
 *
 * @throws HF_ERR_OPTION_UNKNOWN if an option does not exist
 * @throws HF_ERR_OPTION_INVALID if an option has the wrong type or is out of its range
 * @example
 * await app.register(headfirst, { executors: { reports: workers({ threads: 2, streamsPerThread: 1 }) } })
 * app.get('/report', { sse: { executor: 'reports' } }, async (request, reply) => reply.sse(report))
 */
export function workers(options: WorkersOptions = {}): Executor {
  return new WorkerPool(resolveWorkersOptions(options))
}

/** Admits, queues and places streams. {@link Threads} starts and replaces the threads. */
class WorkerPool implements Executor {
  readonly #options: Required<WorkersOptions>
  readonly #queue: Queue
  /** The thread of each task that was given to one. */
  readonly #places = new Map<Task, { thread: Thread; running: Running }>()
  /** Defined from the first stream on. */
  #threads: Threads | undefined
  readonly #modules = new Modules(async (module, alone) => this.#load(module, alone))
  /** Called when a thread is ready, or when one did not start. */
  #onThread: ((failure?: Error) => void)[] = []
  /** The async context of threads and their messages: in the first request's, its values would be kept for ever. */
  readonly #home = new AsyncResource('headfirst.workers')
  #observer: ThreadMoments | undefined
  #streamCount = 0
  #onIdle: (() => void) | undefined
  readonly #serviceTime = new ServiceTime()

  constructor(options: Required<WorkersOptions>) {
    this.#options = options
    const { maxQueueWaitMs } = options
    this.#queue = new Queue(maxQueueWaitMs, (task) => {
      task.cut('timeout', streamTimeout('maxQueueWaitMs', maxQueueWaitMs))
    })
  }

  get mayBlock(): boolean {
    return true
  }

  get compresses(): boolean {
    return true
  }

  prepare(task: Task): void | Promise<void> {
    const pending = checkPortable(task)
    return pending === undefined ? this.#prepare(task) : pending.then(() => this.#prepare(task))
  }

  /** Starts the threads and loads the module before the head, because both may fail. */
  #prepare(task: Task): Promise<void> | undefined {
    if (this.#onIdle !== undefined) return undefined
    const threads = this.#started()
    // If no thread starts, admit() refuses the stream.
    return threads.failure === undefined ? this.#modules.check(referenceOf(task)) : undefined
  }

  #started(): Threads {
    this.#threads ??= this.#home.runInAsyncScope(
      () =>
        new Threads(this.#options, {
          gone: (thread) =>
            this.#observer?.threadGone(thread.id, this.#onIdle === undefined ? thread.cause : undefined),
          ready: (thread) => {
            this.#observer?.threadUp(thread.id)
            this.#settleWaiting()
            this.#place()
          },
          started: (running) => {
            this.#modules.loaded(moduleKey(referenceOf(running.task)))
            // If it was cancelled while its module loaded, its grace begins again now.
            if (running.grace !== undefined) this.#expect(running)
          },
          unloaded: (running, error) => this.#unloaded(running, error),
          done: (running) => this.#free(running),
          orphaned: (streams) => this.#queueAgain(streams),
          failed: (cause) => {
            this.#logFailure(cause)
            this.#settleWaiting(cause)
          },
        }),
    )
    return this.#threads
  }

  #settleWaiting(failure?: Error): void {
    for (const tell of this.#onThread.splice(0)) tell(failure)
  }

  admit(task: Task, { running, waiting }: ExecutorLoad): void {
    const { threads, streamsPerThread, maxQueue } = this.#options
    if (this.#onIdle !== undefined) throw this.#refusal(task, 'it is closing')
    const failure = this.#threads?.failure
    if (failure !== undefined) throw this.#refusal(task, 'its threads do not start', failure)
    const places = threads * streamsPerThread
    if (running + waiting < places + maxQueue) return
    const error = new HF_ERR_EXECUTOR_FULL(task.executor, running, waiting)
    throw Object.assign(error, retryAfter(this.#serviceTime.expected(waiting, places)))
  }

  run(task: Task): void {
    this.#started()
    this.#queue.add(task)
    this.#place()
  }

  cancel(task: Task, reason: CloseReason): void {
    this.#queue.delete(task)
    const place = this.#places.get(task)
    if (place === undefined) return
    const { thread, running } = place
    thread.close(running, reason)
    if (running.grace === undefined) this.#expect(running)
  }

  collect(task: Task): void {
    this.#places.get(task)?.thread.collect()
  }

  /** Starts the grace of a cancelled stream's producer. */
  #expect(running: Running): void {
    const { graceMs } = this.#options
    const ms = running.started ? graceMs : Math.max(graceMs, LOADING_MS)
    clearTimeout(running.grace)
    running.grace = setTimeout(() => this.#terminate(running, ms), ms).unref()
  }

  observe(observer: ThreadMoments): void {
    this.#observer = observer
  }

  stats(): ExecutorDetails {
    return { threads: this.#threads?.size ?? 0 }
  }

  threadTimes(): readonly ThreadTime[] {
    return this.#threads?.times() ?? []
  }

  async close(graceMs: number): Promise<void> {
    this.#settleWaiting(new Error('the pool is closing'))
    const idle = new Promise<void>((resolve) => (this.#onIdle = resolve))
    const timer = setTimeout(() => this.#onIdle?.(), graceMs)
    this.#leaveIfIdle()
    await idle
    clearTimeout(timer)
    this.#queue.close()
    await this.#threads?.close()
  }

  /** Gives waiting streams to threads, in the order of their arrival, while there are places. */
  #place(): void {
    const { streamsPerThread } = this.#options
    for (const [task, until] of this.#queue) {
      const key = moduleKey(referenceOf(task))
      const thread = this.#threads?.leastBusy(streamsPerThread, key)
      if (thread !== undefined) {
        this.#queue.delete(task)
        this.#give(task, until, thread)
      } else if (this.#isHopeless(key)) {
        this.#queue.delete(task)
        task.fail(this.#modules.failure(key))
      } else if (this.#threads?.leastBusy(streamsPerThread) === undefined) {
        break
      }
    }
    this.#queue.watch()
  }

  /** True if a module has failed on all threads that are ready. */
  #isHopeless(key: string): boolean {
    if (this.#modules.failure(key) === undefined) return false
    const { ready = [] } = this.#threads ?? {}
    return ready.length > 0 && ready.every(({ unloadable }) => unloadable.has(key))
  }

  #unloaded({ task }: Running, error: Error | undefined): void {
    const key = moduleKey(referenceOf(task))
    if (error === undefined) {
      this.#modules.lost(key)
    } else {
      this.#places.get(task)?.thread.unloadable.add(key)
      this.#modules.failed(key, { error, endedThread: false })
    }
  }

  async #load(module: ProducerReference, alone: boolean): Promise<LoadFailure | undefined> {
    const threads = this.#started()
    if (threads.ready.length === 0) await this.#untilThread()
    const key = moduleKey(module)
    const thread = threads.loader(key, alone)
    if (thread === undefined) throw new Error('no thread is free')
    let error: Error | undefined
    try {
      error = await threads.load(thread, module)
    } catch (cause) {
      if (this.#onIdle !== undefined) throw cause
      return { error: moduleFailed(module.module, thread.cause ?? cause, true), endedThread: true }
    }
    if (error === undefined) {
      thread.unloadable.delete(key)
      return undefined
    }
    thread.unloadable.add(key)
    // Node caches the error of a module that did not load: only a new thread can try again.
    if (thread.streams.size === 0) {
      thread.cause ??= new HF_ERR_THREAD_LOST('a module does not load on it')
      void thread.worker.terminate()
    }
    return { error, endedThread: false }
  }

  async #untilThread(): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      this.#onThread.push((failure) => (failure === undefined ? resolve() : reject(failure)))
    })
  }

  #give(task: Task, until: number, thread: Thread): void {
    const cell = thread.takeCell()
    const stream = (this.#streamCount = (this.#streamCount + 1) | 0)
    const running = new Running(task, until, { stream, cell, credit: thread.credit(cell) })
    const order: StreamOrder = {
      ...orderOf(task),
      stream,
      cell,
      blockOver: task.options.overflow === 'block' ? task.options.maxBuffered : undefined,
    }
    this.#places.set(task, { thread, running })
    this.#threads?.give(thread, order, running)
  }

  #free({ task, since, credit }: Running): void {
    this.#places.delete(task)
    if (credit.begun) this.#serviceTime.add(performance.now() - since)
    this.#place()
    this.#leaveIfIdle()
  }

  /** Puts streams back in the queue, in the order of arrival, if their thread has died before it began them. */
  #queueAgain(streams: readonly Running[]): void {
    this.#queue.addAgain(streams.filter(({ task }) => !task.closed))
    this.#place()
  }

  #terminate({ task, started }: Running, ms: number): void {
    const thread = this.#places.get(task)?.thread
    // Its thread is being terminated already, because of another of its streams.
    if (thread === undefined || thread.cause !== undefined) return
    const what = started ? 'its producer did not stop' : 'its thread did not get to its producer'
    thread.cause = new HF_ERR_THREAD_LOST(`a stream of ${task.route} was closed, and ${what} within ${ms} ms`)
    task.log.error({ err: thread.cause, route: task.route }, 'a worker thread is terminated')
    void thread.worker.terminate()
  }

  #leaveIfIdle(): void {
    if (this.#places.size === 0) this.#onIdle?.()
  }

  /** Logs with the stream that has waited longest, because a pool has no logger. */
  #logFailure(cause: Error): void {
    const task = this.#queue.oldest
    task?.log.error({ err: cause, executor: task.executor }, 'a worker thread did not start')
  }

  #refusal(task: Task, why: string, cause?: Error): Error {
    return Object.assign(
      new HF_ERR_EXECUTOR_UNAVAILABLE(task.executor, why, { cause }),
      retryAfter(LONGEST_BACK_OFF_MS / 10),
    )
  }
}

/**
 * How long a thread may still load the module of a cancelled stream, in ms. Other streams wait for the same module: if
 * a client leaves meanwhile, their thread must not be terminated.
 */
const LOADING_MS = 30_000

/** Properties of a refusal: the header `Retry-After`, in whole seconds (RFC 9110, 10.2.3), and the pause in ms. */
function retryAfter(ms: number): { headers: { 'retry-after': string }; retryAfterMs: number } {
  return { headers: { 'retry-after': String(Math.max(1, Math.ceil(ms / 1_000))) }, retryAfterMs: ms }
}
