import type { RecordedTenth } from '../plan.ts'
import { decodedCounts } from './distribution.ts'

/** The samples of a run's tenths, put together in other proportions than they had. */
export class PooledTenths {
  /** How many tenths have samples. */
  readonly tenths: number
  /** How many samples there are in all. */
  readonly samples: number
  /** The samples of each tenth: those that have failed are in no histogram. */
  readonly #sizes: Float64Array
  /** All that any of them has, in ms, ascending. */
  readonly #values: Float64Array
  /** By value, then by tenth: how many samples of the tenth are at most the value. */
  readonly #upTo: Float64Array

  constructor(recorded: readonly RecordedTenth[]) {
    const counts = recorded.map(({ histogram }) => decodedCounts(histogram))
    this.tenths = counts.length
    this.#values = Float64Array.from(new Set(counts.flatMap((tenth) => [...tenth.keys()]))).toSorted()
    this.#upTo = new Float64Array(this.#values.length * this.tenths)
    this.#sizes = Float64Array.from(recorded, ({ failed }, tenth) => {
      let sum = 0
      for (const [place, value] of this.#values.entries()) {
        sum += counts[tenth]?.get(value) ?? 0
        this.#upTo[place * this.tenths + tenth] = sum
      }
      return sum + failed
    })
    this.samples = this.#sizes.reduce((sum, size) => sum + size, 0)
  }

  /**
   * @param share from 0 to 1
   * @param times how often each tenth counts
   * @returns the percentile by rank, in ms; Infinity among those that have failed
   */
  percentile(share: number, times: Float64Array): number {
    const size = weighted(this.#sizes, 0, times)
    const rank = Math.max(1, Math.ceil(share * size - 1e-9))
    let [from, until] = [0, this.#values.length]
    while (from < until) {
      const middle = (from + until) >>> 1
      if (weighted(this.#upTo, middle * this.tenths, times) < rank) from = middle + 1
      else until = middle
    }
    return this.#values[from] ?? Infinity
  }
}

/** The sum of as many counts as there are weights, from a place on. */
function weighted(counts: Float64Array, from: number, weights: Float64Array): number {
  let sum = 0
  for (let place = 0; place < weights.length; place++) {
    sum += (counts[from + place] as number) * (weights[place] as number)
  }
  return sum
}
