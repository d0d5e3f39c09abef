/** The line that is closest to all points, by least squares. */
import type { Interval } from './statistics.ts'

export interface Line {
  slope: number
  /** In which the slope is with 95 % confidence, where points are off the line by chance alone; NaN of two points. */
  interval: Interval
}

/** @param xs not all the same */
export function line(xs: readonly number[], ys: readonly number[]): Line {
  const [meanX, meanY] = [mean(xs), mean(ys)]
  const sum = (of: (x: number, y: number) => number): number =>
    xs.reduce((total, x, index) => total + of(x - meanX, (ys[index] as number) - meanY), 0)
  const spread = sum((x) => x * x)
  const slope = sum((x, y) => x * y) / spread
  const freedom = xs.length - 2
  const error = Math.sqrt(sum((x, y) => (y - slope * x) ** 2) / freedom / spread)
  const off = quantile(freedom) * error
  return { slope, interval: [slope - off, slope + off] }
}

/**
 * The 97.5th percentile of Student's t, by the expansion of Cornish and Fisher: within one percent for five degrees of
 * freedom or more, too small by a fifth for two.
 */
function quantile(freedom: number): number {
  const z = 1.959_964
  return (
    z +
    (z ** 3 + z) / (4 * freedom) +
    (5 * z ** 5 + 16 * z ** 3 + 3 * z) / (96 * freedom ** 2) +
    (3 * z ** 7 + 19 * z ** 5 + 17 * z ** 3 - 15 * z) / (384 * freedom ** 3)
  )
}

function mean(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0) / values.length
}
