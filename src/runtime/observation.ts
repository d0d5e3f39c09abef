import type { ExecutorSlot } from './executor-slot.ts'
import { LoopWatch, type BlockedLoop } from './loop-watch.ts'
import type { Moments } from './moments.ts'

/** An executor, as its subscribers see it. */
export type Watched = Pick<ExecutorSlot, 'name'> & {
  readonly executor: Pick<ExecutorSlot['executor'], 'threadTimes'>
}

/** Gets the moments of an app: the server's own profile, telemetry. */
export interface Subscriber {
  /** Called once for each executor, those of nested registrations included; answers what its moments call. */
  watch(slot: Watched): Moments
  /** The server's event loop was blocked. */
  loopBlocked?(block: BlockedLoop): void
}

/** The subscribers of an app, and the watch over its event loop where one of them takes the moments of that. */
export class Observation {
  readonly #subscribers: readonly Subscriber[]
  readonly #loop: LoopWatch | undefined

  /** @param blockedMs from how many ms on the event loop counts as blocked */
  constructor(subscribers: readonly Subscriber[], blockedMs: number) {
    this.#subscribers = subscribers
    const watchers = subscribers.filter((subscriber) => subscriber.loopBlocked !== undefined)
    if (watchers.length === 0) return
    this.#loop = new LoopWatch(blockedMs, (block) => {
      for (const subscriber of watchers) subscriber.loopBlocked?.(block)
    })
  }

  /** Before the first route of the executor. */
  observe(slot: ExecutorSlot): void {
    const moments = this.#subscribers.map((subscriber) => subscriber.watch(slot))
    slot.observe(this.#loop === undefined ? moments : [...moments, this.#loop.moments])
  }

  /** Looks at the event loop now: a block that is just over is known after it. */
  look(): void {
    this.#loop?.look()
  }

  close(): void {
    this.#loop?.close()
  }
}
