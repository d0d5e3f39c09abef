import { array, assert, double, nat, property, tuple } from 'fast-check'
import { expect, test } from 'vitest'
import { randomFrom } from '../../../profiler/load/schedule.ts'
import {
  bootstrap,
  FEWEST_ROUNDS,
  middle,
  noiseFactor,
  pairedRatio,
  spansOne,
} from '../../../bench/statistics/statistics.ts'

const positive = double({ min: 0.01, max: 100, noNaN: true })
const rounds = array(tuple(positive, positive), { minLength: FEWEST_ROUNDS, maxLength: 12 })
const seeds = nat()
const RUNS = { numRuns: 30 }

const split = (pairs: readonly [number, number][]): [number[], number[]] => [
  pairs.map(([one]) => one),
  pairs.map(([, other]) => other),
]

test.each([
  [[3], 3],
  [[1, 2], 1.5],
  [[5, 1, 3], 3],
  [[4, 1, 3, 2], 2.5],
])('the median of %j is %d', (values, expected) => {
  expect(middle(values)).toBe(expected)
})

test('there is no median of nothing', () => {
  expect(middle([])).toBeNaN()
})

test('the ratio is the median of the pairs, not the ratio of the medians', () => {
  const { ratio } = pairedRatio([1, 20, 300], [2, 10, 100], 1)
  expect(ratio).toBeCloseTo(2)
})

test('of an even number of rounds, a ratio and its inverse cancel', () => {
  expect(pairedRatio([1, 4], [4, 1], 1).ratio).toBeCloseTo(1)
})

test('rounds that all agree leave no doubt', () => {
  const { ratio, interval } = pairedRatio([4, 6, 8, 10, 12, 14], [2, 3, 4, 5, 6, 7], 1)
  expect(ratio).toBeCloseTo(2)
  expect(interval?.[0]).toBeCloseTo(2)
  expect(interval?.[1]).toBeCloseTo(2)
})

// 9 draws of 9 values: P(their median ≤ the k-th smallest) = P(Binomial(9, k/9) ≥ 5), which is 0.0014, 0.026, 0.145
// for k = 1, 2, 3. So 2.5 % lie at the second smallest, or, by the luck of the draws, at the third.
test('the interval has the bounds that the binomial distribution gives', () => {
  const [low, high] = bootstrap([1, 2, 3, 4, 5, 6, 7, 8, 9], 7)
  expect([2, 3]).toContain(low)
  expect([7, 8]).toContain(high)
})

// Rounds as noise of a tenth around a true ratio of 1.5. Percentile intervals of few values are known to be a little
// too narrow: of six to a dozen, those of the median hold the truth in about 90 of 100 cases.
test.each([FEWEST_ROUNDS, 8, 12])(
  'of %i rounds, most intervals hold the true ratio',
  (count) => {
    const random = randomFrom(42)
    const normal = (): number => Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random())
    const TRIALS = 200
    let held = 0
    for (let trial = 0; trial < TRIALS; trial++) {
      const subject = Array.from({ length: count }, () => 1.5 * Math.exp(0.1 * normal()))
      const { interval } = pairedRatio(subject, Array<number>(count).fill(1), trial)
      if (interval !== undefined && interval[0] <= 1.5 && interval[1] >= 1.5) held++
    }
    expect(held / TRIALS).toBeGreaterThan(0.85)
  },
  60_000,
)

test('the interval holds the ratio and lies between the least and the most of any round', () => {
  assert(
    property(rounds, seeds, (pairs, seed) => {
      const { ratio, interval } = pairedRatio(...split(pairs), seed)
      const ratios = pairs.map(([one, other]) => one / other)
      const [low, high] = interval as [number, number]
      const slack = 1 + 1e-9
      expect(low).toBeLessThanOrEqual(ratio * slack)
      expect(high * slack).toBeGreaterThanOrEqual(ratio)
      expect(low * slack).toBeGreaterThanOrEqual(Math.min(...ratios))
      expect(high).toBeLessThanOrEqual(Math.max(...ratios) * slack)
    }),
    RUNS,
  )
})

test('the same seed gives the same interval', () => {
  assert(
    property(rounds, seeds, (pairs, seed) => {
      expect(pairedRatio(...split(pairs), seed)).toEqual(pairedRatio(...split(pairs), seed))
    }),
    RUNS,
  )
})

test('the units of a round, if they are the same for both, change nothing', () => {
  assert(
    property(rounds, positive, seeds, (pairs, scale, seed) => {
      const scaled = pairs.map(([one, other]): [number, number] => [one * scale, other * scale])
      const [plain, other] = [pairs, scaled].map((both) => pairedRatio(...split(both), seed))
      expect(other?.ratio).toBeCloseTo(plain?.ratio as number)
      expect(other?.interval?.[0]).toBeCloseTo(plain?.interval?.[0] as number)
    }),
    RUNS,
  )
})

test('fewer than six rounds have no interval', () => {
  const five = [1, 2, 3, 4, 5]
  expect(pairedRatio(five, five, 1).interval).toBeUndefined()
  expect(pairedRatio([...five, 6], [...five, 6], 1).interval).toEqual([1, 1])
})

test.each([0, Infinity, NaN])('with %d in a round there is no interval', (odd) => {
  expect(pairedRatio([odd, 1, 1, 1, 1, 1], [1, 1, 1, 1, 1, 1], 1).interval).toBeUndefined()
})

test('an interval that touches 1 spans it', () => {
  expect(spansOne([0.9, 1.1])).toBe(true)
  expect(spansOne([1, 1.1])).toBe(true)
  expect(spansOne([1.01, 1.1])).toBe(false)
  expect(spansOne([0.8, 0.99])).toBe(false)
})

test('noise is how far a contender is from itself', () => {
  expect(noiseFactor([0.8, 1.1])).toBeCloseTo(1.25)
  expect(noiseFactor([0.99, 1.1])).toBeCloseTo(1.1)
  expect(noiseFactor([1, 1])).toBe(1)
})
