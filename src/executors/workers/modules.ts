import { moduleKey, type ProducerReference } from '../elsewhere/portable.ts'

/** The longest time that the head of a producer's first stream waits for a thread to load the module, in ms. */
const FIRST_LOAD_MS = 1_000

/** Pauses before a module that did not load is tried again, in ms. They double each time. */
const FIRST_PAUSE_MS = 100
const LONGEST_PAUSE_MS = 30_000

/** Why a module did not load. */
export interface LoadFailure {
  error: Error
  /** True if the thread has ended while it loaded the module. */
  endedThread: boolean
}

/**
 * Loads a module on a thread of the pool.
 *
 * @param alone only on a thread without streams, which answers soon and takes no stream with it if it dies
 * @returns resolves with undefined if it was loaded. Rejects if no thread is available
 */
export type LoadModule = (module: ProducerReference, alone: boolean) => Promise<LoadFailure | undefined>

interface Failing extends LoadFailure {
  pauseMs: number
  /** The earliest time of the next try, on the clock of `performance.now()`. */
  askAt: number
}

/**
 * Which producers' modules load on the threads of a pool.
 *
 * The server's thread may load a module that a worker cannot load: it may have another loader, and it may start a
 * server. After the head, the client cannot get an error status any more, and a browser that gets an empty stream
 * reconnects for ever. So if a thread is free, the first stream of a producer loads the module on it before the head.
 * Once a module has failed, its streams are refused before the head. From time to time such a stream makes a thread try
 * again, and the streams are admitted as soon as a thread has loaded the module.
 */
export class Modules {
  readonly #load: LoadModule
  readonly #states = new Map<string, 'asked' | 'loaded' | Failing>()

  constructor(load: LoadModule) {
    this.#load = load
  }

  /**
   * Checks a module before the head of a stream.
   *
   * @returns a promise if the producer is new. The head waits for it, at most FIRST_LOAD_MS
   * @throws (or rejects with) the error of the module
   */
  check(module: ProducerReference): Promise<void> | undefined {
    const key = moduleKey(module)
    const state = this.#states.get(key)
    if (state === undefined) return this.#askFirst(module, key)
    if (typeof state === 'string') return undefined
    if (performance.now() >= state.askAt) void this.#askAgain(module, key, state)
    throw state.error
  }

  /** The error of a module, if no thread has loaded it since then. */
  failure(key: string): Error | undefined {
    const state = this.#states.get(key)
    return typeof state === 'object' ? state.error : undefined
  }

  loaded(key: string): void {
    this.#states.set(key, 'loaded')
  }

  /** A thread has ended before it had loaded a module, perhaps for another reason: the next stream tries again. */
  lost(key: string): void {
    if (this.#states.get(key) === 'asked') this.#states.delete(key)
  }

  failed(key: string, failure: LoadFailure): void {
    const before = this.#states.get(key)
    const pauseMs =
      typeof before === 'object' ? Math.min(before.pauseMs * 2, LONGEST_PAUSE_MS) : FIRST_PAUSE_MS
    this.#states.set(key, { ...failure, pauseMs, askAt: performance.now() + pauseMs })
  }

  async #askFirst(module: ProducerReference, key: string): Promise<void> {
    this.#states.set(key, 'asked')
    let timer: NodeJS.Timeout | undefined
    const patience = new Promise<void>((resolve) => (timer = setTimeout(resolve, FIRST_LOAD_MS)))
    await Promise.race([this.#ask(module, key, true), patience])
    clearTimeout(timer)
    const failure = this.failure(key)
    if (failure !== undefined) throw failure
  }

  async #askAgain(module: ProducerReference, key: string, state: Failing): Promise<void> {
    // One try at a time.
    state.askAt = Infinity
    await this.#ask(module, key, state.endedThread)
    // No thread was available.
    if (state.askAt === Infinity) state.askAt = performance.now() + state.pauseMs
  }

  /** Never rejects. */
  async #ask(module: ProducerReference, key: string, alone: boolean): Promise<void> {
    try {
      const failure = await this.#load(module, alone)
      if (failure === undefined) this.loaded(key)
      else this.failed(key, failure)
    } catch {
      // No thread was available: the next stream is handled as the first.
      if (this.#states.get(key) === 'asked') this.#states.delete(key)
    }
  }
}
