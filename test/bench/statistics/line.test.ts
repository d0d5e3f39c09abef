import { expect, test } from 'vitest'
import { line } from '../../../bench/statistics/line.ts'
import { randomFrom } from '../../../profiler/load/schedule.ts'

const XS = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10]

test('points on a line have its slope, and no doubt', () => {
  const { slope, interval } = line(
    XS,
    XS.map((x) => 3 * x - 7),
  )
  expect(slope).toBeCloseTo(3)
  expect(interval[1] - interval[0]).toBeCloseTo(0)
})

// By tables: 2.262 of nine degrees of freedom, 2.571 of five.
test.each([
  [11, 2.262],
  [7, 2.571],
])('the interval of %d points is as wide as Student says', (count, quantile) => {
  const xs = XS.slice(0, count)
  const ys = xs.map((_, index) => (index % 2 === 0 ? 1 : -1))
  const { slope, interval } = line(xs, ys)
  const mean = (values: number[]): number => values.reduce((sum, value) => sum + value) / count
  const [meanX, meanY] = [mean(xs), mean(ys)]
  const spread = xs.reduce((sum, x) => sum + (x - meanX) ** 2, 0)
  const left = ys.reduce(
    (sum, y, index) => sum + (y - meanY - slope * ((xs[index] as number) - meanX)) ** 2,
    0,
  )
  const error = Math.sqrt(left / (count - 2) / spread)
  expect((interval[1] - slope) / error).toBeCloseTo(quantile, 1)
  expect(slope - interval[0]).toBeCloseTo(interval[1] - slope)
})

test('the interval holds the true slope in about 95 of 100 cases', () => {
  const random = randomFrom(1)
  const normal = (): number => Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random())
  let held = 0
  for (let run = 0; run < 2_000; run++) {
    const [low, high] = line(
      XS,
      XS.map((x) => 2 * x + normal()),
    ).interval
    if (low <= 2 && high >= 2) held++
  }
  expect(held / 2_000).toBeGreaterThan(0.93)
  expect(held / 2_000).toBeLessThan(0.97)
})
