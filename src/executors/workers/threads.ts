import { extname } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { ResourceLimits, Worker } from 'node:worker_threads'
import { Piscina } from 'piscina'
import { HF_ERR_THREAD_LOST } from '../../errors.ts'
import type { ThreadTime } from '../../runtime/executor.ts'
import { decodeError } from '../elsewhere/error-transport.ts'
import type { ProducerReference } from '../elsewhere/portable.ts'
import { isHello, type ModuleOrder, type StreamOrder, type ThreadSettings } from './protocol.ts'
import type { Running } from './running.ts'
import { Thread, type ThreadEvents } from './thread.ts'

export interface ThreadsOptions {
  threads: number
  niceIncrement: number
  resourceLimits: ResourceLimits
  /** Streams that each thread may have at a time. */
  streamsPerThread: number
}

export interface ThreadsEvents extends ThreadEvents {
  /** A thread has started, and can take streams. */
  ready: (thread: Thread) => void
  /** A thread has ended, or did not start. */
  gone: (thread: Thread) => void
  /** A thread could not be made, or has died before it was ready. */
  failed: (cause: Error) => void
}

/** Bytes of data in each thread's ring (1 MiB). If the server's thread has not read so many bytes, `send()` blocks. */
const RING_BYTES = 1_048_576

/** Pauses before a thread that did not start is started again, in ms. They double each time. */
const FIRST_BACK_OFF_MS = 100
export const LONGEST_BACK_OFF_MS = 30_000

/**
 * Starts, replaces and terminates the threads of a pool. The pool decides which thread gets a stream.
 *
 * Each thread is a Piscina with one thread: it starts the thread, lowers its priority, sends orders to it and
 * terminates it. When a thread dies, a Piscina makes the next one in a listener of its own, where an error cannot be
 * caught: if the process may have no more threads, that error ends the process. So when a thread dies, its Piscina is
 * destroyed before that listener runs, and this class makes the next one.
 */
export class Threads {
  readonly #count: number
  readonly #events: ThreadsEvents
  readonly #make: () => Piscina
  readonly #piscinas = new Map<Thread, Piscina>()
  /** Threads that are loading a module before its first stream. */
  readonly #loading = new Set<Thread>()
  /** Consecutive threads that could not be made, or that died before they were ready, and the last error. */
  #failedStarts = 0
  #failure: Error | undefined
  /** True if the last of them could not be made. */
  #isLimited = false
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
    this.#make = () =>
      new Piscina({
        filename: fileURLToPath(new URL('./boot.cjs', import.meta.url)),
        minThreads: 1,
        maxThreads: 1,
        idleTimeout: Infinity,
        // The pool limits them, before the head.
        concurrentTasksPerWorker: Number.MAX_SAFE_INTEGER,
        atomics: 'disabled',
        recordTiming: false,
        // On other systems it would lower the priority of the whole process.
        niceIncrement: process.platform === 'linux' ? niceIncrement : 0,
        resourceLimits,
        workerData,
      })
    let started = true
    while (started && this.size < threads) started = this.#start()
    this.#replace()
  }

  /** Number of threads alive, ready or not. */
  get size(): number {
    return this.#piscinas.size
  }

  times(): ThreadTime[] {
    return Array.from(this.#piscinas.keys(), ({ id, worker }) => {
      const { active, idle } = worker.performance.eventLoopUtilization()
      return { id, activeMs: active, idleMs: idle }
    })
  }

  /** Threads that can take streams. */
  get ready(): Thread[] {
    return [...this.#piscinas.keys()].filter(({ ready }) => ready)
  }

  /** Why threads do not start; undefined while at least one is ready, or may still become ready. */
  get failure(): Error | undefined {
    if (this.#failure === undefined || this.ready.length > 0) return undefined
    // If no more threads can be made, those that were made may still start.
    return this.#isLimited && this.size > 0 ? undefined : this.#failure
  }

  /**
   * Finds the thread with the fewest open streams; of several such threads, the one whose event loop was least busy.
   *
   * @param most streams that one thread may have
   * @param module key of a module: threads on which it did not load are passed over
   * @returns undefined if no thread has a free place
   */
  leastBusy(most: number, module?: string): Thread | undefined {
    let best: Thread | undefined
    let bestUtilization: number | undefined
    for (const thread of this.#piscinas.keys()) {
      if (!thread.ready || thread.streams.size >= most) continue
      if (module !== undefined && thread.unloadable.has(module)) continue
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
    thread.give(running)
    // The end of a stream is a frame in the ring. This promise may settle before that frame is read. It rejects when
    // the thread dies, which is handled there; when all threads are terminated, before the producer has stopped; and
    // when the order could not be sent.
    this.#run(thread, order).then(
      () => thread.returned(running),
      (error: unknown) => {
        if (this.#closed || thread.cause !== undefined || !this.#piscinas.has(thread)) return
        if (thread.streams.has(order.stream)) thread.refuse(running, error)
      },
    )
  }

  /**
   * Loads a producer's module on a thread.
   *
   * @returns resolves with the error of the module; undefined if it has loaded. Rejects if the thread dies meanwhile
   */
  async load(thread: Thread, module: ProducerReference): Promise<Error | undefined> {
    this.#loading.add(thread)
    try {
      const encoded = await this.#run(thread, { module })
      return encoded === undefined ? undefined : (decodeError(encoded as Uint8Array) as Error)
    } finally {
      this.#loading.delete(thread)
    }
  }

  /**
   * Finds a thread for loading a module. It must not be loading another: if it dies, the module that ended it is known.
   * A thread on which the module has not failed comes first.
   *
   * @param alone only a thread without streams
   * @returns undefined if there is none
   */
  loader(module: string, alone: boolean): Thread | undefined {
    const free = this.ready.filter((each) => !this.#loading.has(each) && !(alone && each.streams.size > 0))
    return free.find(({ unloadable }) => !unloadable.has(module)) ?? free[0]
  }

  async #run(thread: Thread, order: StreamOrder | ModuleOrder): Promise<unknown> {
    return (this.#piscinas.get(thread) as Piscina).run(order)
  }

  /** Terminates all threads. No thread starts after it. */
  async close(): Promise<void> {
    this.#closed = true
    clearTimeout(this.#restart)
    await Promise.all(Array.from(this.#piscinas.values(), async (piscina) => piscina.destroy()))
  }

  /** Makes a thread. False if the process may not have another one. */
  #start(): boolean {
    let piscina: Piscina
    try {
      piscina = this.#make()
    } catch (error) {
      this.#failed(error as Error, true)
      return false
    }
    const [worker] = piscina.threads as [Worker]
    const thread = new Thread(worker, this.#events)
    this.#piscinas.set(thread, piscina)
    piscina.on('message', (message: unknown) => this.#greet(thread, message))
    piscina.on('error', () => {})
    worker.prependListener('error', (error: Error) => {
      thread.cause ??= new HF_ERR_THREAD_LOST(error.message, { cause: error })
      void piscina.destroy()
    })
    worker.prependListener('exit', (code) => {
      void piscina.destroy()
      this.#bury(thread, code)
    })
    return true
  }

  #greet(thread: Thread, message: unknown): void {
    if (!isHello(message)) return
    thread.greet(message)
    if (!thread.ready) return
    this.#failedStarts = 0
    this.#failure = undefined
    this.#events.ready(thread)
  }

  #bury(thread: Thread, code: number): void {
    this.#piscinas.delete(thread)
    thread.bury(new HF_ERR_THREAD_LOST(`it exited with code ${code}`))
    this.#events.gone(thread)
    if (this.#closed) return
    if (!thread.started) this.#failed(thread.cause as Error, false)
    this.#replace()
  }

  #failed(cause: Error, isLimited: boolean): void {
    this.#failedStarts++
    this.#failure = cause
    this.#isLimited = isLimited
    this.#events.failed(cause)
  }

  #replace(): void {
    if (this.#closed || this.size >= this.#count || this.#restart !== undefined) return
    const doubled = FIRST_BACK_OFF_MS * 2 ** (this.#failedStarts - 1)
    const pauseMs = this.#failedStarts === 0 ? 0 : Math.min(doubled, LONGEST_BACK_OFF_MS)
    this.#restart = setTimeout(() => {
      this.#restart = undefined
      this.#start()
      this.#replace()
    }, pauseMs).unref()
  }
}
