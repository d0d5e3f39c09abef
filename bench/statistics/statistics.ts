/**
 * The bench's arithmetic: here ratios of rounds, in `line.ts` a slope, in `theory.ts` the waits of a queue.
 *
 * How one contender compares with another that was measured beside it, round by round.
 *
 * Each round gives a ratio of its own, so that what the machine did meanwhile falls on both sides. Their median is
 * given, with a bootstrap interval: the rounds are drawn again with replacement, many times, and of the medians of all
 * draws the middle 95 % are kept. The draws are seeded: the same rounds give the same interval.
 */
import { randomFrom } from '../../profiler/load/schedule.ts'

/**
 * Of fewer rounds no interval is given. All of five rounds lie on one side of the true median by chance once in 16
 * times, of six once in 32: only with six is 95 % confidence possible at all.
 */
export const FEWEST_ROUNDS = 6
const RESAMPLES = 10_000
const CONFIDENCE = 0.95

export type Interval = readonly [low: number, high: number]

export interface PairedRatio {
  /** The median of the rounds' ratios; the geometric mean of the two in the middle of an even number. */
  ratio: number
  /** Of 95 %; undefined for fewer than six rounds, and where a ratio is not a positive number. */
  interval: Interval | undefined
}

/**
 * @param subject a value for each round
 * @param baseline the same of what it is compared with, of the same rounds
 * @param seed of the draws
 */
export function pairedRatio(
  subject: readonly number[],
  baseline: readonly number[],
  seed: number,
): PairedRatio {
  // Of logarithms, a ratio and its inverse are equally far from 1.
  const logs = subject.map((value, round) => Math.log(value / (baseline[round] ?? NaN)))
  const ratio = Math.exp(middle(logs))
  if (logs.length < FEWEST_ROUNDS || !logs.every(Number.isFinite)) return { ratio, interval: undefined }
  const [low, high] = bootstrap(logs, seed)
  return { ratio, interval: [Math.exp(low), Math.exp(high)] }
}

/** The percentile bootstrap interval of the median. */
export function bootstrap(values: readonly number[], seed: number): Interval {
  const random = randomFrom(seed)
  const drawn = new Float64Array(values.length)
  const medians = new Float64Array(RESAMPLES)
  for (let resample = 0; resample < RESAMPLES; resample++) {
    for (let index = 0; index < drawn.length; index++) {
      drawn[index] = values[Math.floor(random() * values.length)] as number
    }
    medians[resample] = middle(drawn)
  }
  medians.sort()
  const left = Math.floor(((1 - CONFIDENCE) / 2) * RESAMPLES)
  return [medians[left] as number, medians[RESAMPLES - 1 - left] as number]
}

/** The median; between the two in the middle of an even number. NaN of none. */
export function middle(values: ArrayLike<number>): number {
  const sorted = Float64Array.from(values).toSorted()
  const half = sorted.length / 2
  return ((sorted[Math.ceil(half) - 1] ?? NaN) + (sorted[Math.floor(half)] ?? NaN)) / 2
}

/** Whether 1 is in it: then there may be no difference. */
export function spansOne([low, high]: Interval): boolean {
  return low <= 1 && high >= 1
}

/** How far a contender's interval against itself is from 1, as a factor of at least 1. */
export function noiseFactor([low, high]: Interval): number {
  return Math.max(1 / low, high, 1)
}
