/** How long streams have waited for their producer, from the head on. */
export interface QueueWaits {
  /** Streams that have waited. */
  count: number
  /** Within one percent, as the next. */
  p50Ms: number
  p99Ms: number
  maxMs: number
  /**
   * How many streams have waited about so long, within one percent; shortest first. Unlike percentiles, several
   * answers can be added up: the same wait has the same number in all of them.
   */
  distribution: [waitMs: number, count: number][]
}

/** From one bucket to the next it is 1.1 %, so that the middle of a bucket is within 0.6 % of all that is in it. */
const BUCKETS_PER_DOUBLING = 64
/** Shorter waits count as this. */
const SHORTEST_WAIT_MS = 0.001

/** Counts waits in logarithmic buckets. Few of them are ever used, so that only those are held. */
export class Waits {
  readonly #counts = new Map<number, number>()
  #count = 0
  #maxMs = 0

  add(ms: number): void {
    const bucket = Math.floor(Math.log2(Math.max(SHORTEST_WAIT_MS, ms)) * BUCKETS_PER_DOUBLING)
    this.#counts.set(bucket, (this.#counts.get(bucket) ?? 0) + 1)
    this.#count++
    if (ms > this.#maxMs) this.#maxMs = ms
  }

  answer(): QueueWaits {
    const distribution = [...this.#counts]
      .toSorted(([one], [other]) => one - other)
      .map(([bucket, count]): [number, number] => [2 ** ((bucket + 0.5) / BUCKETS_PER_DOUBLING), count])
    const at = (share: number): number => {
      let before = 0
      const found = distribution.find(([, count]) => (before += count) >= share * this.#count)
      return Math.min(this.#maxMs, found?.[0] ?? 0)
    }
    return { count: this.#count, p50Ms: at(0.5), p99Ms: at(0.99), maxMs: this.#maxMs, distribution }
  }
}
