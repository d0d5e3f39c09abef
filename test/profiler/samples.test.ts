import { describe, expect, test } from 'vitest'
import { PooledTenths } from '../../profiler/samples/pooled-tenths.ts'
import { Samples } from '../../profiler/samples/samples.ts'
import { deserialize, serialize } from 'node:v8'

/** 1 to so many, in ms, in an order that is not theirs. */
function upTo(count: number, failed = 0): Samples {
  const samples = new Samples()
  for (let place = 0; place < count; place++) samples.add(((place * 7_919) % count) + 1, place / count)
  for (let place = 0; place < failed; place++) samples.add(Infinity, 0.5)
  return samples
}

describe('percentiles', () => {
  test('of few samples are exact, by rank', () => {
    expect(upTo(1_000).summary()).toMatchObject({ p50: 500, p90: 900, p95: 950, p99: 990, max: 1_000 })
  })

  test('are not given of too few', () => {
    expect(upTo(999).summary().p99).toBeUndefined()
    expect(upTo(9_999).summary()).toMatchObject({ p99: 9_900, p999: undefined })
    expect(upTo(10_000).summary().p999).toBe(9_990)
  })

  test('of many are right to a thousandth', () => {
    const { p50, p90, p99, p999 = 0, max, samples } = upTo(200_000).summary()
    expect({ max, samples }).toEqual({ max: 200_000, samples: 200_000 })
    expect(Math.abs(p50 / 100_000 - 1)).toBeLessThan(0.001)
    expect(Math.abs(p90 / 180_000 - 1)).toBeLessThan(0.001)
    expect(Math.abs((p99 ?? 0) / 198_000 - 1)).toBeLessThan(0.001)
    expect(Math.abs(p999 / 199_800 - 1)).toBeLessThan(0.001)
  })

  test.each([900, 180_000])('of %i samples count failed ones as slower than all', (count) => {
    const { p50, p90, p95, max, failed } = upTo(count, count / 9).summary()
    expect(p50 / ((count / 9) * 5)).toBeCloseTo(1, 2)
    expect(p90 / count).toBeCloseTo(1, 2)
    expect({ p95, max, failed }).toEqual({ p95: Infinity, max: Infinity, failed: count / 9 })
  })

  test('that are quoted are points of the curve', () => {
    const { curve, p50, p90, p99 } = upTo(2_000).summary()
    const at = (wanted: number): number[] =>
      curve.filter(([share]) => Math.abs(share - wanted) < 1e-9).map(([, ms]) => ms)
    expect([at(0.5), at(0.9), at(0.99)]).toEqual([[p50], [p90], [p99]])
    const shares = curve.map(([share]) => share)
    expect(shares).toEqual(shares.toSorted((one, other) => one - other))
  })

  test('of none are none', () => {
    expect(new Samples().summary()).toMatchObject({ samples: 0, p50: NaN, max: NaN, curve: [] })
  })
})

/** Some numbers of which no two are alike, some of them failed; a metric's own tenth of them in each tenth. */
function some(count: number): [ms: number, share: number][] {
  return Array.from({ length: count }, (_, place) => [
    place % 97 === 0 ? Infinity : (((place * 7_919) % count) + 1) / 8,
    place / count,
  ])
}

/** As the samples of so many processes come together: through a channel that takes plain data. */
function together(all: readonly [ms: number, share: number][], parts: (place: number) => number): Samples {
  const processes: Samples[] = []
  for (const [place, [ms, share]] of all.entries()) (processes[parts(place)] ??= new Samples()).add(ms, share)
  const sum = new Samples()
  for (const process of processes) {
    sum.include(deserialize(serialize(process.recorded())) as ReturnType<Samples['recorded']>)
  }
  return sum
}

describe('the samples of several processes', () => {
  test.each([
    ['few', 900, (place: number) => place % 3],
    ['raw', 60_000, (place: number) => place % 2],
    ['raw in each part, and too many together', 150_000, (place: number) => place % 3],
    [
      'of which one has a histogram and the other has not',
      140_000,
      (place: number) => Number(place % 20 === 0),
    ],
    ['of which each has a histogram', 260_000, (place: number) => place % 2],
    [
      'of which one has a histogram of a part of the time',
      260_000,
      (place: number) => Number(place > 130_000),
    ],
  ])('are summarised as if they were of one: %s', (_, count, parts) => {
    const all = some(count)
    const one = new Samples()
    for (const [ms, share] of all) one.add(ms, share)
    const several = together(all, parts)
    expect(several.summary()).toEqual(one.summary())
    expect(several.percentile(0.99)).toBe(one.percentile(0.99))
    expect(one.summary().failed).toBe(Math.ceil(count / 97))
  })

  test('where one has none are those of the other', () => {
    const sum = new Samples()
    sum.include(new Samples().recorded())
    sum.include(upTo(1_000).recorded())
    expect(sum.summary()).toEqual(upTo(1_000).summary())
  })
})

describe('the tenths of a run, pooled again', () => {
  const every = Float64Array.from({ length: 10 }, () => 1)

  test.each([
    ['few', 900],
    ['raw', 60_000],
    ['in histograms', 260_000],
  ])('each once, have the percentiles of the run: %s', (_, count) => {
    const all = new Samples()
    for (const [ms, share] of some(count)) all.add(ms, share)
    const pooled = new PooledTenths(all.summary().tenths.recorded)
    expect({ tenths: pooled.tenths, samples: pooled.samples }).toEqual({ tenths: 10, samples: count })
    for (const share of [0.01, 0.5, 0.9, 0.95]) {
      const rounded = pooled.percentile(share, every) / all.percentile(share)
      expect(Math.abs(rounded - 1)).toBeLessThan(0.001)
    }
    // One in 97 has failed.
    expect(pooled.percentile(0.9925, every)).toBe(Infinity)
  })

  test('count as often as they are to', () => {
    const samples = new Samples()
    for (let tenth = 0; tenth < 10; tenth++) {
      for (const ms of [0.01, 0.02]) samples.add(tenth / 10 + ms, tenth / 10)
    }
    samples.add(Infinity, 0.95)
    const pooled = new PooledTenths(samples.summary().tenths.recorded)
    const at = (share: number, ...times: number[]): number =>
      pooled.percentile(
        share,
        every.map((_, tenth) => times[tenth] ?? 0),
      )
    expect(at(0.5, 1)).toBe(0.01)
    expect(at(1, 3)).toBe(0.02)
    expect(at(0.5, 2, 0, 3)).toBe(0.21)
    expect(at(0.4, 2, 0, 3)).toBe(0.02)
    const last = [0, 0, 0, 0, 0, 0, 0, 0, 0, 1]
    expect(at(0.6, ...last)).toBe(0.92)
    expect(at(0.7, ...last)).toBe(Infinity)
  })
})
