import { moduleKey, type ProducerReference } from '../elsewhere/portable.ts'

/** How long the head of a producer's first stream waits until a thread has loaded its module, in ms. */
const FIRST_LOAD_MS = 1_000

/** Pauses before a thread is asked again for a module that did not load, in ms: doubled each time. */
const FIRST_PAUSE_MS = 100
const LONGEST_PAUSE_MS = 30_000

/** Why a module did not load. */
export interface LoadFailure {
  error: Error
  /** The thread has ended meanwhile. */
  endedThread: boolean
}

/**
 * Has a thread of the pool load a module.
 *
 * @param alone only a thread without streams: no head waits for one that is busy, and none is harmed
 * @returns undefined when it was loaded. Rejects where no thread could be asked
 */
export type LoadModule = (module: ProducerReference, alone: boolean) => Promise<LoadFailure | undefined>

interface Failing extends LoadFailure {
  pauseMs: number
  /** When a thread may be asked again, on the clock of `performance.now()`. */
  askAt: number
}

/**
 * Which producers' modules load on the threads of a pool.
 *
 * The server's thread may load what a thread does not: it has another loader, or may start a server. After the head
 * nobody can be told, and a browser that gets an empty stream comes back for ever. So the first stream of a producer
 * finds out before its head, if a thread is free; and once a module has failed, its streams are refused before the head.
 * They make a thread try again, now and then, so that the first that loads it lets them in.
 */
export class Modules {
  readonly #load: LoadModule
  readonly #states = new Map<string, 'asked' | 'loaded' | Failing>()

  constructor(load: LoadModule) {
    this.#load = load
  }

  /**
   * @returns a promise for a producer that is seen for the first time: its head waits for it, a second at most
   * @throws (or rejects with) what its module fails of
   */
  check(module: ProducerReference): Promise<void> | undefined {
    const key = moduleKey(module)
    const state = this.#states.get(key)
    if (state === undefined) return this.#askFirst(module, key)
    if (typeof state === 'string') return undefined
    if (performance.now() >= state.askAt) void this.#askAgain(module, key, state)
    throw state.error
  }

  /** What a module fails of, where no thread has loaded it since. */
  failure(key: string): Error | undefined {
    const state = this.#states.get(key)
    return typeof state === 'object' ? state.error : undefined
  }

  loaded(key: string): void {
    this.#states.set(key, 'loaded')
  }

  /** A thread has ended before it had loaded a module, maybe for another reason: the next stream finds out. */
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
    // Not twice at a time.
    state.askAt = Infinity
    await this.#ask(module, key, state.endedThread)
    // No thread could be asked.
    if (state.askAt === Infinity) state.askAt = performance.now() + state.pauseMs
  }

  /** Never rejects. */
  async #ask(module: ProducerReference, key: string, alone: boolean): Promise<void> {
    try {
      const failure = await this.#load(module, alone)
      if (failure === undefined) this.loaded(key)
      else this.failed(key, failure)
    } catch {
      // The next stream counts as the first.
      if (this.#states.get(key) === 'asked') this.#states.delete(key)
    }
  }
}
