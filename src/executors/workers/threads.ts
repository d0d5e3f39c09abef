import { extname } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { ResourceLimits } from 'node:worker_threads'
import { Piscina } from 'piscina'
import { HF_ERR_THREAD_LOST } from '../../errors.ts'
import type { ThreadTime } from '../../runtime/executor.ts'
import { isHello, type StreamOrder, type ThreadSettings } from './protocol.ts'
import type { Running } from './running.ts'
import { Thread, type ThreadEvents } from './thread.ts'

export interface ThreadsOptions {
  threads: number
  niceIncrement: number
  resourceLimits: ResourceLimits
  /** How many streams each may have at a time. */
  streamsPerThread: number
}

export interface ThreadsEvents extends ThreadEvents {
  /** A thread has started, and can be given streams. */
  ready: () => void
  /** A thread died before it was ready. */
  failed: (cause: Error) => void
}

/** Bytes of data in each thread's ring: what a thread may be ahead of the server before it waits. */
const RING_BYTES = 1_048_576

/** Pauses before a thread that died while it started is started again, in ms: doubled each time. */
const FIRST_BACK_OFF_MS = 100
export const LONGEST_BACK_OFF_MS = 30_000

/**
 * The threads of a pool, and their life: piscina starts and replaces them and carries streams to them. Which
 * thread gets a stream is the pool's to say.
 */
export class Threads {
  readonly #count: number
  readonly #events: ThreadsEvents
  readonly #piscina: Piscina
  readonly #threads = new Map<number, Thread>()
  /** The thread that piscina's balancer is to choose; undefined: none. */
  #chosen: number | undefined
  /** Threads that died before they were ready, in a row, and what the last of them died of. */
  #failedStarts = 0
  #failure: Error | undefined
  #restart: NodeJS.Timeout | undefined
  #closed = false

  constructor(options: ThreadsOptions, events: ThreadsEvents) {
    const { threads, niceIncrement, resourceLimits, streamsPerThread } = options
    this.#count = threads
    this.#events = events
    const workerData: ThreadSettings = {
      entry: new URL(`./entry${extname(import.meta.url)}`, import.meta.url).href,
      streams: streamsPerThread,
      ringBytes: RING_BYTES,
    }
    this.#piscina = new Piscina({
      filename: fileURLToPath(new URL('./boot.cjs', import.meta.url)),
      minThreads: threads,
      maxThreads: threads,
      idleTimeout: Infinity,
      // Bounded by the pool, before the head.
      concurrentTasksPerWorker: Number.MAX_SAFE_INTEGER,
      stricterFIFO: true,
      atomics: 'disabled',
      recordTiming: false,
      // Elsewhere it would slow the whole process down.
      niceIncrement: process.platform === 'linux' ? niceIncrement : 0,
      resourceLimits,
      workerData,
      loadBalancer: (_task, candidates) => candidates.find(({ id }) => id === this.#chosen) ?? null,
    })
    this.#piscina.on('message', (message: unknown) => this.#greet(message))
    // Emitted just before the thread is among the balancer's candidates.
    this.#piscina.on('workerCreate', ({ id }: { id: number }) => queueMicrotask(() => this.#list(id)))
    // The death of an idle thread; it is seen at the thread itself.
    this.#piscina.on('error', () => {})
    this.#adopt()
  }

  /** Threads alive, ready or not. */
  get size(): number {
    return this.#threads.size
  }

  times(): ThreadTime[] {
    return Array.from(this.#threads.values(), ({ id, worker }) => {
      const { active, idle } = worker.performance.eventLoopUtilization()
      return { id, activeMs: active, idleMs: idle }
    })
  }

  /** What threads die of as they start, while none is there. */
  get failure(): Error | undefined {
    return [...this.#threads.values()].some(({ ready }) => ready) ? undefined : this.#failure
  }

  /**
   * The thread with the fewest open streams, and among those the one whose loop was idle most.
   *
   * @param most streams that one thread may have
   * @returns undefined when none has room
   */
  leastBusy(most: number): Thread | undefined {
    let best: Thread | undefined
    let bestUtilization: number | undefined
    for (const thread of this.#threads.values()) {
      if (!thread.ready || thread.streams.size >= most) continue
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

  give(thread: Thread, order: StreamOrder, running: Running): void {
    thread.give(order.stream, running)
    this.#chosen = thread.id
    const done = this.#piscina.run(order)
    this.#chosen = undefined
    // How a stream went is told in its ring, in order; this promise may settle before that is read. It rejects
    // when the thread dies, which is seen at the thread, when all are terminated, which does not mean that the
    // producer has stopped, or when the order could not be sent.
    done.then(
      () => thread.returned(order.stream, running),
      (error: unknown) => {
        if (this.#closed || thread.cause !== undefined || !this.#threads.has(thread.id)) return
        if (thread.streams.has(order.stream)) thread.refuse(order.stream, running, error)
      },
    )
  }

  /** Terminates them all, and starts none any more. */
  async close(): Promise<void> {
    this.#closed = true
    clearTimeout(this.#restart)
    await this.#piscina.destroy()
  }

  /** Takes notice of threads that piscina has started. */
  #adopt(): void {
    for (const worker of this.#piscina.threads) {
      if (worker.threadId < 0 || this.#threads.has(worker.threadId)) continue
      const thread = new Thread(worker, this.#events)
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

  #welcome(thread: Thread | undefined): void {
    if (thread?.ready !== true) return
    this.#failedStarts = 0
    this.#failure = undefined
    this.#events.ready()
  }

  #bury(thread: Thread, code: number): void {
    this.#threads.delete(thread.id)
    thread.bury(new HF_ERR_THREAD_LOST(`it exited with code ${code}`))
    if (this.#closed) return
    this.#adopt()
    if (!thread.started) this.#failed(thread.cause as Error)
    this.#replace()
  }

  #failed(cause: Error): void {
    this.#failedStarts++
    this.#failure = cause
    this.#events.failed(cause)
  }

  /** Piscina replaces a thread that dies, but no more once one has died while it started. */
  #replace(): void {
    if (this.#closed || this.#threads.size >= this.#count || this.#restart !== undefined) return
    const doubled = FIRST_BACK_OFF_MS * 2 ** (this.#failedStarts - 1)
    const pauseMs = this.#failedStarts === 0 ? 0 : Math.min(doubled, LONGEST_BACK_OFF_MS)
    this.#restart = setTimeout(() => {
      this.#restart = undefined
      // A task for which the balancer finds no thread makes piscina start one. It is taken back at once.
      const unwanted = new AbortController()
      this.#piscina.run(undefined, { signal: unwanted.signal }).catch(() => {})
      unwanted.abort()
      this.#adopt()
      this.#replace()
    }, pauseMs).unref()
  }
}
