import { availableParallelism } from 'node:os'
import { setTimeout as sleep } from 'node:timers/promises'
import { nowMs } from '../clock.ts'
import type { Measurement, Plan, Standing } from '../plan.ts'
import { arrivalsOf } from './arrivals.ts'
import { DividedLoad } from './divided-load.ts'
import type { Held } from './holding.ts'
import { withProgress } from './progress.ts'

/** What shows how a profile goes. What it throws ends what goes on, and is thrown by it. */
export interface Onlooker {
  /** While the streams that are to be held are opened. */
  opening(held: Held): void
  standing(standing: Standing, generators: number): void
  /** There were too few generators: the measurement begins anew. */
  anew(generators: number): void
}

/** The processes that make the load of one profile, and how many of them it takes. */
export class Session {
  readonly #load = new DividedLoad()
  /** Undefined where their number was asked for. */
  readonly #most: number | undefined
  #count: number
  #held: { plan: Plan; streams: number } | undefined
  #interrupted = false

  /**
   * @param generators undefined for as many as it takes, and the machine has cores for
   * @param cores of the machine
   */
  constructor(generators: number | undefined, cores: number = availableParallelism()) {
    this.#most = generators === undefined ? cores : undefined
    this.#count = generators ?? 1
  }

  get interrupted(): boolean {
    return this.#interrupted
  }

  /**
   * As many generators as it took are there for what is measured next, too.
   *
   * @returns undefined where it was interrupted before it began
   * @throws when a generator is gone; what the onlooker throws
   */
  async measure(plan: Plan, onlooker?: Onlooker): Promise<Measurement | undefined> {
    for (;;) {
      // Each has something to do.
      const count = Math.min(this.#count, arrivalsOf(plan.load))
      await this.#load.prepare(plan, count)
      if (this.#interrupted) return undefined
      const { startMs, measurement } = this.#load.run(plan)
      const over = new AbortController()
      const judged = this.#judgeWarmUp(plan, count, startMs, over.signal).catch(() => count)
      const shown =
        onlooker === undefined
          ? measurement
          : withProgress(measurement, {
              state: async () => this.#load.standing(),
              show: (standing) => onlooker.standing(standing, count),
              end: () => this.#load.abandon(),
            })
      const measured = await shown.finally(() => over.abort())
      const wanted = await judged
      if (wanted === count || this.#interrupted) return measured
      this.#count = wanted
      onlooker?.anew(wanted)
      await this.#hold(onlooker)
    }
  }

  /**
   * Looks at the second half of the warm-up: in the first one the generators are new, and slower than they will be.
   * Ends the run where it should have more of them.
   *
   * @returns how many it should have
   */
  async #judgeWarmUp(plan: Plan, count: number, startMs: number, signal: AbortSignal): Promise<number> {
    const { warmupMs } = plan.load
    const more = Math.min(2 * count, this.#most ?? count, arrivalsOf(plan.load))
    if (warmupMs === 0 || more <= count) return count
    for (const share of [0.5, 1]) {
      await sleep(startMs + share * warmupMs - nowMs(), undefined, { signal })
      const areTooFew = await this.#load.areTooFew()
      if (share < 1 || !areTooFew || signal.aborted) continue
      this.#load.abandon()
      return more
    }
    return count
  }

  /**
   * Opens streams that stay open beside all that is measured later.
   *
   * @throws when a generator is gone; what the onlooker throws
   */
  async hold(plan: Plan, streams: number, onlooker?: Onlooker): Promise<void> {
    this.#held = { plan, streams }
    await this.#hold(onlooker)
  }

  async #hold(onlooker: Onlooker | undefined): Promise<void> {
    if (this.#held === undefined || this.#interrupted) return
    const opening = this.#load.hold(this.#held.plan, this.#held.streams, this.#count)
    if (onlooker === undefined) return opening
    await withProgress(opening, {
      state: async () => this.#load.held(),
      show: (held) => onlooker.opening(held),
      end: () => this.#load.stop(),
    })
  }

  async held(): Promise<Held> {
    return this.#load.held()
  }

  /** The measurement that runs ends now, with what there is. */
  interrupt(): void {
    this.#interrupted = true
    this.#load.stop()
  }

  async end(): Promise<void> {
    await this.#load.end()
  }
}
