import { describe, expect, test } from 'vitest'
import { compare, type Comparable } from '../../profiler/verdict/comparison.ts'
import type { Measurement } from '../../profiler/plan.ts'
import { Samples } from '../../profiler/samples/samples.ts'
import { deserialize, serialize } from 'node:v8'
import { answering, BRIEFLY, chunk, END, HEAD, measure } from './profiling.ts'

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

/** Two closed loops whose generator had little to do: the second has slower first bytes, and failures. */
async function twoRuns(): Promise<{ before: Comparable; now: Comparable }> {
  const url = await answering((socket) => socket.end(HEAD + chunk('data: a\n\n') + END))
  const measured = { ...(await measure(url, ...BRIEFLY)), utilisation: 0 }
  const before = { ...measured, ttfb: upTo(1_000).summary(), ttfe: upTo(1_000).summary() }
  const slower = new Samples()
  for (let place = 0; place < 1_000; place++) slower.add(2 * (((place * 7_919) % 1_000) + 1), place / 1_000)
  const now = { ...before, ttfb: slower.summary(), outcomes: { good: 5, status: 5 } }
  return { before: { measurement: before, isClosed: true }, now: { measurement: now, isClosed: true } }
}

const busy = ({ measurement, isClosed }: Comparable): Comparable => ({
  measurement: { ...measurement, utilisation: 0.9 } satisfies Measurement,
  isClosed,
})

describe('a comparison', () => {
  test('tells what differs from what does not', async () => {
    const { before, now } = await twoRuns()
    const { lines, invalid } = compare(before, now)
    expect(invalid).toBe('neither')
    const verdicts = new Map(lines.map(({ what, verdict }) => [what, verdict]))
    expect(verdicts.get('ttfb p50')).toBe('slower by 100 %')
    expect(verdicts.get('ttfe p50')).toBe('no difference')
    expect(verdicts.get('errors')).toBe('worse: more streams fail')
  })

  test('shows the figures of a run that is INVALID, and says of none what they mean', async () => {
    const { before, now } = await twoRuns()
    const shown = compare(before, now).lines.map(({ what, ratio }) => [what, ratio])
    const cases = [
      { compared: compare(before, busy(now)), invalid: 'now' },
      { compared: compare(busy(before), now), invalid: 'before' },
      { compared: compare(busy(before), busy(now)), invalid: 'both' },
    ]
    for (const { compared, invalid } of cases) {
      expect(compared.invalid).toBe(invalid)
      expect(compared.lines.map(({ what, ratio }) => [what, ratio])).toEqual(shown)
      expect(new Set(compared.lines.map(({ verdict }) => verdict))).toEqual(new Set(['not judged', '']))
    }
  })

  test('holds an open loop to its rate, and a closed one not', async () => {
    const { before, now } = await twoRuns()
    const late = { ...before, measurement: { ...before.measurement, lagP99Ms: 1_000 } }
    expect(compare(late, now).invalid).toBe('neither')
    expect(compare({ ...late, isClosed: false }, now).invalid).toBe('before')
  })
})
