import type { Moments } from './moments.ts'

/** A time for which the server's event loop did one thing only, and every client had to wait. */
export interface BlockedLoop {
  /** When it was seen, in ms since 1970. */
  atMs: number
  /** How long it was, in ms. */
  forMs: number
  /** Routes that had a producer on the server's thread then: one, if it is known; none, if it was something else. */
  routes: string[]
}

/** How many times the loop is looked at in the shortest time that counts as blocked. */
const LOOKS = 4

/** Sees when the event loop was blocked: a timer comes late, or a producer has held the thread. */
export class LoopWatch {
  readonly #blockedMs: number
  readonly #onBlocked: (block: BlockedLoop) => void
  readonly #eachMs: number
  readonly #timer: NodeJS.Timeout
  #lookedAt = performance.now()
  /** Producers on this thread, by route. */
  readonly #running = new Map<string, number>()
  /** Routes whose producers have started since the last look; they may be done. */
  readonly #seen = new Set<string>()
  /** For how long producers have held the thread since the last look, in ms. */
  #explainedMs = 0

  /** To be called at the moments of all streams. */
  readonly moments: Moments = {
    started: ({ route }, { here }) => {
      if (here) this.#enter(route)
    },
    held: ({ route }, ms) => this.#held(route, ms),
    done: ({ route }) => this.#leave(route),
  }

  /** @param blockedMs from how many ms on the loop counts as blocked */
  constructor(blockedMs: number, onBlocked: (block: BlockedLoop) => void) {
    this.#blockedMs = blockedMs
    this.#onBlocked = onBlocked
    this.#eachMs = Math.ceil(blockedMs / LOOKS)
    this.#timer = setInterval(() => this.look(), this.#eachMs).unref()
  }

  look(): void {
    const now = performance.now()
    const lateMs = now - this.#lookedAt - this.#eachMs - this.#explainedMs
    if (lateMs >= this.#blockedMs)
      this.#report(lateMs, [...new Set([...this.#running.keys(), ...this.#seen])])
    this.#lookedAt = now
    this.#explainedMs = 0
    this.#seen.clear()
  }

  close(): void {
    clearInterval(this.#timer)
  }

  #enter(route: string): void {
    this.#seen.add(route)
    this.#running.set(route, (this.#running.get(route) ?? 0) + 1)
  }

  #leave(route: string): void {
    const left = (this.#running.get(route) ?? 0) - 1
    if (left > 0) this.#running.set(route, left)
    else this.#running.delete(route)
  }

  #held(route: string, ms: number): void {
    this.#explainedMs += ms
    if (ms >= this.#blockedMs) this.#report(ms, [route])
  }

  #report(forMs: number, routes: string[]): void {
    this.#onBlocked({ atMs: Date.now(), forMs, routes })
  }
}
