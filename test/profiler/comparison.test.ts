import { describe, expect, test } from 'vitest'
import { randomFrom } from '../../profiler/load/schedule.ts'
import type { Measurement, Summary } from '../../profiler/plan.ts'
import { measurementOf } from '../../profiler/samples/measurement.ts'
import { Samples } from '../../profiler/samples/samples.ts'
import { compare, type Comparable } from '../../profiler/verdict/comparison.ts'
import { answering, BRIEFLY, chunk, END, HEAD, measure, planOf } from './profiling.ts'
import { recording } from './recording.ts'

/** 1 to so many, in ms, in an order that is not theirs. */
function upTo(count: number, factor = 1): Summary {
  const samples = new Samples()
  for (let place = 0; place < count; place++) {
    samples.add(factor * (((place * 7_919) % count) + 1), place / count)
  }
  return samples.summary()
}

/** Two closed loops whose generator had little to do: the second has slower first bytes, and failures. */
async function twoRuns(): Promise<{ before: Comparable; now: Comparable }> {
  const url = await answering((socket) => socket.end(HEAD + chunk('data: a\n\n') + END))
  const measured = { ...(await measure(url, ...BRIEFLY)), utilisation: 0 }
  const before = { ...measured, ttfb: upTo(1_000), ttfe: upTo(1_000) }
  const now = { ...before, ttfb: upTo(1_000, 2), outcomes: { good: 5, status: 5 } }
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

/** The streams of a run, in the order in which they began: some that are known beforehand. */
type Run = (random: () => number, count: number) => number[]

/** Of a normal distribution. */
const normal = (random: () => number): number =>
  Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random())

const independent: Run = (random, count) =>
  Array.from({ length: count }, () => Math.exp(0.8 * normal(random)))

/** The next stream is about as slow as the last one. */
const inWaves: Run = (random, count) => {
  let wave = normal(random)
  return Array.from({ length: count }, () => {
    wave = 0.9 * wave + Math.sqrt(1 - 0.9 ** 2) * normal(random)
    return 10 * Math.exp(0.8 * wave)
  })
}

/** Most take 2 ms, one in five 20 ms, none anything between, and two in a hundred fail. */
const ofThreeKinds: Run = (random, count) =>
  Array.from({ length: count }, () => {
    const kind = random()
    return kind < 0.02 ? Infinity : (kind < 0.2 ? 20 : 2) * (1 + 0.1 * random())
  })

function summaryOf(run: readonly number[], factor = 1): Summary {
  const samples = new Samples()
  for (const [place, ms] of run.entries()) samples.add(factor * ms, place / run.length)
  return samples.summary()
}

const steady = (ms: number): number[] => Array.from({ length: 1_000 }, () => ms)

/** So many of each hundred fail. */
const failing = (some: number): Summary =>
  summaryOf(Array.from({ length: 1_000 }, (_, place) => (place % 100 < some ? Infinity : 5 + place / 1_000)))

describe('the interval of a ratio', () => {
  // All but the times to the first byte is the same in all runs.
  const plan = planOf('http://localhost/', '--closed', '1')
  const measured = measurementOf(plan, 0, [recording({ outcomes: { good: 1 } })])

  function compared(before: Summary, now: Summary): Map<string, ReturnType<typeof compare>['lines'][number]> {
    const [was, is] = [before, now].map((ttfb) => ({ measurement: { ...measured, ttfb }, isClosed: true }))
    return new Map(compare(was as Comparable, is as Comparable).lines.map((line) => [line.what, line]))
  }

  const PAIRS = 250
  const FACTOR = 1.3

  test.each([
    ['independent streams', independent, 1_000, ['p50', 'p90', 'p99']],
    ['streams in waves', inWaves, 3_000, ['p50', 'p90', 'p99']],
    ['streams of which most are fast, and some fail', ofThreeKinds, 500, ['p50', 'p90']],
  ])(
    'holds the true ratio in 90 to 98 of 100 pairs of runs: %s',
    (_, run, count, statistics) => {
      const random = randomFrom(77)
      const holds = new Map(statistics.map((statistic) => [statistic, 0]))
      for (let pair = 0; pair < PAIRS; pair++) {
        const lines = compared(summaryOf(run(random, count)), summaryOf(run(random, count), FACTOR))
        for (const statistic of statistics) {
          const { ratio, interval: [low, high] = [NaN, NaN] } = lines.get(`ttfb ${statistic}`) ?? {}
          expect(low).toBeLessThanOrEqual(ratio as number)
          expect(high).toBeGreaterThanOrEqual(ratio as number)
          if (low <= FACTOR && high >= FACTOR) holds.set(statistic, (holds.get(statistic) ?? 0) + 1)
        }
      }
      for (const held of holds.values()) {
        expect(held / PAIRS).toBeGreaterThanOrEqual(0.9)
        expect(held / PAIRS).toBeLessThanOrEqual(0.98)
      }
    },
    60_000,
  )

  test('holds the ratio of whole runs, however slow one of their tenths is', () => {
    const slowAtLast = steady(1).map((ms, place) => (place < 850 ? ms : 100))
    const lines = compared(summaryOf(steady(1)), summaryOf(slowAtLast))
    const { ratio, interval, verdict } = lines.get('ttfb p90') ?? {}
    expect(ratio).toBeGreaterThan(50)
    expect(interval?.[0]).toBeLessThan(2)
    expect(interval?.[1]).toBeGreaterThanOrEqual(ratio as number)
    expect(verdict).toBe('no difference')
  })

  test('holds a ratio that differs by less than a histogram tells apart', () => {
    const line = compared(summaryOf(steady(20.0001)), summaryOf(steady(20.0002))).get('ttfb p50')
    expect(line?.interval).toEqual([1, line?.ratio])
    expect(line?.verdict).toBe('no difference')
  })

  test('ends at infinity where so many may fail, and is there where they do', () => {
    const failAtFirst = steady(5).map((ms, place) => (place < 95 ? Infinity : ms))
    const maybe = compared(failing(0), summaryOf(failAtFirst)).get('ttfb p90')
    expect(maybe?.ratio).toBeLessThan(2)
    expect(maybe?.interval?.[1]).toBe(Infinity)
    const sure = compared(failing(0), failing(20)).get('ttfb p90')
    expect(sure?.interval).toEqual([Infinity, Infinity])
    expect(sure?.verdict).toBe('slower: streams fail now')
    for (const now of [failing(0), failing(20)]) {
      const line = compared(failing(20), now).get('ttfb p90')
      expect(line).toMatchObject({ interval: undefined, verdict: 'not judged' })
    }
  })

  test.each([
    ['p50', 10],
    ['p90', 50],
  ])('is not given for a %s of fewer than %i samples', (statistic, fewest) => {
    const intervalOf = (count: number): unknown =>
      compared(upTo(1_000), upTo(count)).get(`ttfb ${statistic}`)?.interval
    expect(intervalOf(fewest)).toBeDefined()
    expect(intervalOf(fewest - 1)).toBeUndefined()
  })

  test('is not given for a run of half a duration, nor for a file that has no tenths to pool', () => {
    const half = new Samples()
    for (let place = 0; place < 400; place++) half.add(1 + (place % 7), place / 1_000)
    const [{ p50, p90 }, whole] = [upTo(400).tenths, upTo(400)]
    const older = { ...whole, tenths: { p50, p90 } } as Summary
    for (const before of [half.summary(), older]) {
      const line = compared(before, whole).get('ttfb p50')
      expect(line).toMatchObject({ interval: undefined, verdict: 'not judged' })
      expect(line?.ratio).toBe(whole.p50 / before.p50)
    }
  })
})
