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
  /** How many streams each may have at a time. */
  streamsPerThread: number
}

export interface ThreadsEvents extends ThreadEvents {
  /** A thread has started, and can be given streams. */
  ready: (thread: Thread) => void
  /** A thread has ended, or did not start. */
  gone: (thread: Thread) => void
  /** A thread could not be made, or died before it was ready. */
  failed: (cause: Error) => void
}

/** Bytes of data in each thread's ring: what a thread may be ahead of the server before it waits. */
const RING_BYTES = 1_048_576

/** Pauses before a thread that did not start is started again, in ms: doubled each time. */
const FIRST_BACK_OFF_MS = 100
export const LONGEST_BACK_OFF_MS = 30_000

/**
 * The threads of a pool, and their life. Which thread gets a stream is the pool's to say.
 *
 * Each thread is a piscina of one: piscina starts it, lowers its priority, carries orders to it and terminates it. A
 * piscina of several replaces a thread that dies in a listener of its own, where nobody can catch it: when the process
 * may have no more threads, that ends the process. So a piscina whose thread dies is destroyed before it hears of it,
 * and the next one is made here.
 */
export class Threads {
  readonly #count: number
  readonly #events: ThreadsEvents
  readonly #make: () => Piscina
  readonly #piscinas = new Map<Thread, Piscina>()
  /** Threads that load a module before any stream of it. */
  readonly #loading = new Set<Thread>()
  /** Threads that could not be made or died before they were ready, in a row, and why. */
  #failedStarts = 0
  #failure: Error | undefined
  /** The last of them could not be made. */
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
        // Bounded by the pool, before the head.
        concurrentTasksPerWorker: Number.MAX_SAFE_INTEGER,
        atomics: 'disabled',
        recordTiming: false,
        // Elsewhere it would slow the whole process down.
        niceIncrement: process.platform === 'linux' ? niceIncrement : 0,
        resourceLimits,
        workerData,
      })
    let started = true
    while (started && this.size < threads) started = this.#start()
    this.#replace()
  }

  /** Threads alive, ready or not. */
  get size(): number {
    return this.#piscinas.size
  }

  times(): ThreadTime[] {
    return Array.from(this.#piscinas.keys(), ({ id, worker }) => {
      const { active, idle } = worker.performance.eventLoopUtilization()
      return { id, activeMs: active, idleMs: idle }
    })
  }

  /** Those that can be given streams. */
  get ready(): Thread[] {
    return [...this.#piscinas.keys()].filter(({ ready }) => ready)
  }

  /** Why threads do not start, while none is there. */
  get failure(): Error | undefined {
    if (this.#failure === undefined || this.ready.length > 0) return undefined
    // Where no more can be made, one that was made may still start.
    return this.#isLimited && this.size > 0 ? undefined : this.#failure
  }

  /**
   * The thread with the fewest open streams, and among those the one whose loop was idle most.
   *
   * @param most streams that one thread may have
   * @param module only threads that are not known to fail to load it
   * @returns undefined when none has room
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
    // How a stream went is told in its ring, in order; this promise may settle before that is read. It rejects
    // when the thread dies, which is seen at the thread, when all are terminated, which does not mean that the
    // producer has stopped, or when the order could not be sent.
    this.#run(thread, order).then(
      () => thread.returned(running),
      (error: unknown) => {
        if (this.#closed || thread.cause !== undefined || !this.#piscinas.has(thread)) return
        if (thread.streams.has(order.stream)) thread.refuse(running, error)
      },
    )
  }

  /**
   * Has a thread load a producer's module.
   *
   * @returns what it fails of; undefined when it has loaded it. Rejects when the thread dies meanwhile
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
   * A thread that may be asked to load a module: one that loads no other, so that it is known which of them has ended
   * it. If possible one where this module has not failed.
   *
   * @param alone only one without streams
   */
  loader(module: string, alone: boolean): Thread | undefined {
    const free = this.ready.filter((each) => !this.#loading.has(each) && !(alone && each.streams.size > 0))
    return free.find(({ unloadable }) => !unloadable.has(module)) ?? free[0]
  }

  async #run(thread: Thread, order: StreamOrder | ModuleOrder): Promise<unknown> {
    return (this.#piscinas.get(thread) as Piscina).run(order)
  }

  /** Terminates them all, and starts none any more. */
  async close(): Promise<void> {
    this.#closed = true
    clearTimeout(this.#restart)
    await Promise.all(Array.from(this.#piscinas.values(), async (piscina) => piscina.destroy()))
  }

  /** False when the process may have no more threads, or none at all. */
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
