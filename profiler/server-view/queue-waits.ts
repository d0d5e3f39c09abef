/** Waits of streams for their producer, on the server. */

/** Below it the 99th percentile is one of the slowest by chance. */
const FEWEST_FOR_P99 = 1_000

/** How many streams have waited about so long, in ms. The same wait has the same number in each answer. */
export type WaitDistribution = readonly (readonly [waitMs: number, count: number])[]

/** How long streams have waited for their producer on one executor. */
export interface QueueWait {
  executor: string
  count: number
  p50Ms: number
  /** Undefined below 1,000 streams. */
  p99Ms: number | undefined
  maxMs: number
}

/** Adds up the distributions of a server's answers, each of about a second: percentiles could not be added up. */
export class QueueWaits {
  readonly #counts = new Map<number, number>()
  #maxMs = 0

  add({ maxMs, distribution }: { maxMs: number; distribution: WaitDistribution }): void {
    this.#maxMs = Math.max(this.#maxMs, maxMs)
    for (const [waitMs, count] of distribution) {
      this.#counts.set(waitMs, (this.#counts.get(waitMs) ?? 0) + count)
    }
  }

  of(executor: string): QueueWait {
    const sorted = [...this.#counts].toSorted(([one], [other]) => one - other)
    const all = sorted.reduce((sum, [, count]) => sum + count, 0)
    const at = (share: number): number => {
      let before = 0
      const found = sorted.find(([, count]) => (before += count) >= share * all)
      return Math.min(this.#maxMs, found?.[0] ?? NaN)
    }
    const p99Ms = all < FEWEST_FOR_P99 ? undefined : at(0.99)
    return { executor, count: all, p50Ms: at(0.5), p99Ms, maxMs: this.#maxMs }
  }
}
