import { availableParallelism } from 'node:os'
import { extname } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { ResourceLimits } from 'node:worker_threads'
import { Piscina } from 'piscina'
import { HF_ERR_EXECUTOR_FULL, HF_ERR_EXECUTOR_UNAVAILABLE, HF_ERR_THREAD_LOST } from '../../errors.ts'
import type { Executor, ExecutorDetails, ExecutorLoad, Task } from '../../runtime/executor.ts'
import { checkOptions, milliseconds, whole, type Rule } from '../../runtime/options.ts'
import { portability } from '../../runtime/producer.ts'
import type { CloseReason } from '../../sse/stream.ts'
import { allocateCredit, Creditor } from './credit.ts'
import { checkPortable } from './portable.ts'
import { isHello, type StreamOrder, type ThreadSettings } from './protocol.ts'
import { Thread, type Running } from './thread.ts'

export interface WorkersOptions {
  /** Worker threads, from 1. Default: as many as the machine runs in parallel. */
  threads?: number
  /**
   * Streams that run on one thread side by side, from 1. Default 100, for producers that await. Set 1 for
   * producers that block: then none waits behind another's computation while a thread is free.
   */
  streamsPerThread?: number
  /** Streams that may wait for a place, head in hand, from 0. Over it new ones are refused. Default 1000. */
  maxQueue?: number
  /** How long a stream waits for a place before it is closed as `timeout`, in ms. Default 30000, from 1. */
  maxQueueWaitMs?: number
  /**
   * How long the producer of a cancelled stream may go on, in ms. Then its thread is terminated, and the other
   * streams of that thread end as `lost`. Default 2000, from 0.
   */
  graceMs?: number
  /**
   * How much lower than the server's the threads' priority is, as a nice value from 0 to 19, so that a
   * saturated pool does not take the core from whoever sends heads. Linux only. Default 10.
   */
  niceIncrement?: number
  /** Limits of each thread's memory, as for `worker_threads`. Default: Node's. */
  resourceLimits?: ResourceLimits
}

const RULES: Readonly<Record<keyof WorkersOptions, Rule>> = {
  threads: whole(1, 1_024),
  streamsPerThread: whole(1, 1_000_000),
  maxQueue: whole(0),
  maxQueueWaitMs: milliseconds(1),
  graceMs: milliseconds(0),
  niceIncrement: whole(0, 19),
  resourceLimits: ['an object', (value: unknown) => typeof value === 'object' && value !== null],
}

/** Bytes of data in each thread's ring: what a thread may be ahead of the server before it waits. */
const RING_BYTES = 1_048_576

/** Pauses before a thread that died while it started is started again, in ms: doubled each time. */
const FIRST_BACK_OFF_MS = 100
const LONGEST_BACK_OFF_MS = 30_000

/**
 * Runs portable producers on worker threads: they may compute, block or crash, and nobody else's stream minds.
 * The threads start with the first stream.
 *
 * @throws HF_ERR_OPTION_UNKNOWN, HF_ERR_OPTION_INVALID
 */
export function workers(options: WorkersOptions = {}): Executor {
  return new WorkerPool({
    threads: availableParallelism(),
    streamsPerThread: 100,
    maxQueue: 1_000,
    maxQueueWaitMs: 30_000,
    graceMs: 2_000,
    niceIncrement: 10,
    resourceLimits: {},
    ...checkOptions(options, RULES, 'workers()'),
  })
}

/**
 * Admission, the queue, placement, and the life of the threads. Piscina starts and replaces threads and carries
 * streams to them; which thread gets a stream, and when, is decided here.
 */
class WorkerPool implements Executor {
  readonly #options: Required<WorkersOptions>
  readonly #threads = new Map<number, Thread>()
  /** Waiting for a place, in the order of their arrival, with the time when each gives up. */
  readonly #queue = new Map<Task, number>()
  /** Where each running task is. */
  readonly #places = new Map<Task, { thread: Thread; stream: number; running: Running }>()
  readonly #freeSlots: number[] = []
  #credit: SharedArrayBuffer | undefined
  #piscina: Piscina | undefined
  /** The thread that piscina's balancer is to choose; undefined: none. */
  #chosen: number | undefined
  #streamCount = 0
  #queueTimer: NodeJS.Timeout | undefined
  /** Threads that died before they were ready, in a row. */
  #failedStarts = 0
  #restart: NodeJS.Timeout | undefined
  #closing: (() => void) | undefined
  /** How long a stream occupies its place, in ms: a moving average; 0 while none is known. */
  #serviceMs = 0

  constructor(options: Required<WorkersOptions>) {
    this.#options = options
  }

  get mayBlock(): boolean {
    return true
  }

  prepare(task: Task): void | Promise<void> {
    return checkPortable(task)
  }

  admit(task: Task, { running, waiting }: ExecutorLoad): void {
    const { threads, streamsPerThread, maxQueue } = this.#options
    this.#start()
    if (this.#closing !== undefined) throw this.#refusal(task, 'it is closing')
    if (this.#failedStarts > 0 && ![...this.#threads.values()].some(({ ready }) => ready)) {
      throw this.#refusal(task, 'its threads die while they start')
    }
    if (running + waiting < threads * streamsPerThread + maxQueue) return
    const retryAfterMs = (this.#serviceMs * (waiting + 1)) / (threads * streamsPerThread)
    throw Object.assign(new HF_ERR_EXECUTOR_FULL(task.executor, running, waiting), retryAfter(retryAfterMs))
  }

  run(task: Task): void {
    this.#start()
    this.#queue.set(task, performance.now() + this.#options.maxQueueWaitMs)
    this.#place()
  }

  cancel(task: Task, reason: CloseReason): void {
    this.#queue.delete(task)
    const place = this.#places.get(task)
    if (place === undefined) return
    const { thread, stream, running } = place
    thread.close(stream, running, reason)
    running.grace ??= setTimeout(() => this.#terminate(thread, running), this.#options.graceMs).unref()
  }

  stats(): ExecutorDetails {
    return { threads: this.#threads.size }
  }

  async close(graceMs: number): Promise<void> {
    const over = new Promise<void>((resolve) => (this.#closing = resolve))
    this.#leaveIfDone()
    const timer = setTimeout(() => this.#closing?.(), graceMs)
    await over
    clearTimeout(timer)
    clearTimeout(this.#queueTimer)
    clearTimeout(this.#restart)
    await this.#piscina?.destroy()
  }

  #start(): void {
    if (this.#piscina !== undefined) return
    const { threads, streamsPerThread, niceIncrement, resourceLimits } = this.#options
    const slots = threads * streamsPerThread
    this.#credit = allocateCredit(slots)
    for (let slot = slots - 1; slot >= 0; slot--) this.#freeSlots.push(slot)
    const settings: ThreadSettings = { credit: this.#credit, ringBytes: RING_BYTES }
    const piscina = new Piscina({
      filename: fileURLToPath(new URL(`./entry${extname(import.meta.url)}`, import.meta.url)),
      minThreads: threads,
      maxThreads: threads,
      idleTimeout: Infinity,
      // Bounded by us, before the head.
      concurrentTasksPerWorker: Number.MAX_SAFE_INTEGER,
      stricterFIFO: true,
      atomics: 'disabled',
      recordTiming: false,
      // Elsewhere it would slow the whole process down.
      niceIncrement: process.platform === 'linux' ? niceIncrement : 0,
      resourceLimits,
      workerData: settings,
      loadBalancer: (_task, candidates) => candidates.find(({ id }) => id === this.#chosen) ?? null,
    })
    piscina.on('message', (message: unknown) => this.#greet(message))
    // Emitted just before the thread is among the balancer's candidates.
    piscina.on('workerCreate', ({ id }: { id: number }) => queueMicrotask(() => this.#list(id)))
    // The death of an idle thread; it is seen at the thread itself.
    piscina.on('error', () => {})
    this.#piscina = piscina
    this.#adopt()
  }

  /** Takes notice of threads that piscina has started. */
  #adopt(): void {
    for (const worker of this.#piscina?.threads ?? []) {
      if (worker.threadId < 0 || this.#threads.has(worker.threadId)) continue
      const thread = new Thread(worker, (_, running) => this.#free(running))
      this.#threads.set(thread.id, thread)
      worker.once(
        'error',
        (error: Error) => (thread.cause ??= new HF_ERR_THREAD_LOST(error.message, { cause: error })),
      )
      worker.once('exit', (code) => this.#bury(thread, code))
    }
  }

  #greet(message: unknown): void {
    if (!isHello(message)) return
    this.#adopt()
    const thread = this.#threads.get(message.threadId)
    thread?.greet(message)
    this.#welcome(thread)
  }

  /** Piscina can give tasks to this thread. */
  #list(id: number): void {
    this.#adopt()
    const thread = this.#threads.get(id)
    if (thread !== undefined) thread.listed = true
    this.#welcome(thread)
  }

  /** Gives waiting streams to a thread that has started. */
  #welcome(thread: Thread | undefined): void {
    if (thread?.ready !== true) return
    this.#failedStarts = 0
    this.#place()
  }

  #bury(thread: Thread, code: number): void {
    this.#threads.delete(thread.id)
    thread.bury(new HF_ERR_THREAD_LOST(`it exited with code ${code}`))
    if (this.#closing !== undefined) return
    this.#adopt()
    if (!thread.started) this.#failedStarts++
    this.#replace()
  }

  /** Piscina replaces a thread that dies, but no more once one has died while it started. */
  #replace(): void {
    if (this.#threads.size >= this.#options.threads || this.#restart !== undefined) return
    const pauseMs =
      this.#failedStarts === 0
        ? 0
        : Math.min(FIRST_BACK_OFF_MS * 2 ** (this.#failedStarts - 1), LONGEST_BACK_OFF_MS)
    this.#restart = setTimeout(() => {
      this.#restart = undefined
      if (this.#closing !== undefined) return
      // A task for which the balancer finds no thread makes piscina start one. It is taken back at once.
      const unwanted = new AbortController()
      this.#piscina?.run(undefined, { signal: unwanted.signal }).catch(() => {})
      unwanted.abort()
      this.#adopt()
      this.#replace()
    }, pauseMs).unref()
  }

  /** Gives waiting streams to threads, first come first served, as long as there are places. */
  #place(): void {
    for (const task of this.#queue.keys()) {
      const thread = this.#leastBusy()
      if (thread === undefined) break
      this.#queue.delete(task)
      this.#give(task, thread)
    }
    this.#watchQueue()
  }

  /** The thread with the fewest open streams, and among those the one whose loop was idle most. */
  #leastBusy(): Thread | undefined {
    let best: Thread | undefined
    let bestUtilization: number | undefined
    for (const thread of this.#threads.values()) {
      if (!thread.ready || thread.streams.size >= this.#options.streamsPerThread) continue
      if (best === undefined || thread.streams.size < best.streams.size) {
        best = thread
        bestUtilization = undefined
      } else if (thread.streams.size === best.streams.size && thread.streams.size > 0) {
        bestUtilization ??= best.utilization()
        const utilization = thread.utilization()
        if (utilization >= bestUtilization) continue
        best = thread
        bestUtilization = utilization
      }
    }
    return best
  }

  #give(task: Task, thread: Thread): void {
    const slot = this.#freeSlots.pop() as number
    const stream = (this.#streamCount = (this.#streamCount + 1) | 0)
    const running: Running = {
      task,
      slot,
      credit: new Creditor(this.#credit as SharedArrayBuffer, slot),
      since: performance.now(),
      received: 0,
      parts: [],
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
      logLevel: task.log.level,
      highWaterMark: task.options.highWaterMark,
      blockOver: task.options.overflow === 'block' ? task.options.maxBuffered : undefined,
    }
    thread.give(stream, running)
    this.#places.set(task, { thread, stream, running })
    this.#chosen = thread.id
    const done = this.#piscina?.run(order)
    this.#chosen = undefined
    // How a stream went is told in its ring, in order; this promise may settle before that is read. It rejects
    // when the thread dies, which is seen at the thread, when the pool is destroyed, which does not mean that
    // the producer has stopped, or when the order could not be sent.
    done?.catch((error: unknown) => {
      if (this.#closing !== undefined) return
      if (thread.cause === undefined && this.#threads.has(thread.id) && thread.streams.has(stream)) {
        thread.refuse(stream, running, error)
      }
    })
  }

  #free({ task, slot, since }: Running): void {
    this.#places.delete(task)
    this.#freeSlots.push(slot)
    const serviceMs = performance.now() - since
    this.#serviceMs =
      this.#serviceMs === 0 ? serviceMs : this.#serviceMs + (serviceMs - this.#serviceMs) * NEWEST_SHARE
    this.#place()
    this.#leaveIfDone()
  }

  #terminate(thread: Thread, { task }: Running): void {
    thread.cause ??= new HF_ERR_THREAD_LOST(
      `a stream of ${task.route} was closed, and its producer did not stop within ${this.#options.graceMs} ms`,
    )
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
          task.cut('timeout')
        }
        this.#watchQueue()
      },
      Math.max(deadline - performance.now(), 0),
    ).unref()
  }

  #leaveIfDone(): void {
    if (this.#places.size === 0) this.#closing?.()
  }

  #refusal(task: Task, why: string): Error {
    return Object.assign(
      new HF_ERR_EXECUTOR_UNAVAILABLE(task.executor, why),
      retryAfter(LONGEST_BACK_OFF_MS / 10),
    )
  }
}

/** How much the newest service time counts in their moving average. */
const NEWEST_SHARE = 0.1

/** What a refusal tells the client: the header, in whole seconds (RFC 9110, 10.2.3). */
function retryAfter(ms: number): { headers: { 'retry-after': string }; retryAfterMs: number } {
  return { headers: { 'retry-after': String(Math.max(1, Math.ceil(ms / 1_000))) }, retryAfterMs: ms }
}
