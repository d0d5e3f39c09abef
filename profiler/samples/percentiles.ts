/** Percentiles of raw samples, by rank. Counts are small, so they are sorted and nothing is approximated. */

/** A 99th percentile of fewer samples is the second or third largest by chance, and is not given. */
const FEWEST_FOR_P99 = 1_000

export interface Percentiles {
  samples: number
  p50: number
  p90: number
  /** Undefined where there are fewer than 1,000 samples. */
  p99: number | undefined
  max: number
}

/** @param samples a failed one is Infinity: it counts among those that were slow */
export function percentiles(samples: ArrayLike<number>): Percentiles {
  const sorted = Float64Array.from(samples).toSorted()
  return {
    samples: sorted.length,
    p50: rank(sorted, 0.5),
    p90: rank(sorted, 0.9),
    p99: sorted.length < FEWEST_FOR_P99 ? undefined : rank(sorted, 0.99),
    max: rank(sorted, 1),
  }
}

/** The percentile that shows how slow the slow ones are, as far as that many samples can. */
export function tailOf(samples: number): { name: string; fraction: number } {
  return samples < FEWEST_FOR_P99 ? { name: 'p90', fraction: 0.9 } : { name: 'p99', fraction: 0.99 }
}

export function median(samples: ArrayLike<number>): number {
  return rank(Float64Array.from(samples).toSorted(), 0.5)
}

/** The smallest sample that is not exceeded by more than `1 - fraction` of them; NaN of none. */
export function rank(sorted: Float64Array, fraction: number): number {
  return sorted[Math.max(0, Math.ceil(fraction * sorted.length) - 1)] ?? NaN
}
