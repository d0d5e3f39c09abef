/** A run against one of before: ratios, and what has changed by more than the noise of the runs. */
import { PooledTenths } from '../samples/pooled-tenths.ts'
import { rateOf } from './condition.ts'
import type { Measurement, RecordedTenth, Summary } from '../plan.ts'
import { ratioInterval, type Interval } from './ratio-interval.ts'
import { validity } from './validity.ts'

/** A run that can be compared with another. */
export interface Comparable {
  measurement: Measurement
  isClosed: boolean
}

/** A run of before, with the command that made it. */
export interface EarlierRun extends Comparable {
  command: string
}

/** A line of the comparison with a run of before. */
interface Compared {
  what: string
  unit: string
  before: number
  now: number
  /** Now ÷ before. */
  ratio: number
  /** Where the ratio lies with 95 %; undefined where there are too few samples for one. */
  interval: Interval | undefined
  verdict: string
}

export interface Comparison {
  lines: Compared[]
  /** Which of the two is INVALID: then nothing is concluded. */
  invalid: 'neither' | 'before' | 'now' | 'both'
}

const NOT_JUDGED = 'not judged'
const Z_95 = 1.96
const METRICS = ['ttfb', 'ttfe', 'gap', 'total', 'latency'] as const
const SHARES = { p50: 0.5, p90: 0.9, p99: 0.99 } as const

/** @returns undefined for what is no document of a profile */
export function comparable(document: unknown): EarlierRun | undefined {
  try {
    const { tool, command, results } = document as {
      tool: string
      command: string
      results: { measurement: Measurement; plan?: { load?: { closed?: number } } }
    }
    const { measurement, plan } = results
    if (tool !== 'profile' || typeof measurement.arrivals !== 'number') return undefined
    const found = { measurement, isClosed: plan?.load?.closed !== undefined, command }
    // If it can't be compared with itself, it would end the run when everything is measured.
    compare(found, found)
    return found
  } catch {
    return undefined
  }
}

export function compare(before: Comparable, now: Comparable): Comparison {
  const lines = linesOf(before.measurement, now.measurement)
  const [was, is] = [isValid(before), isValid(now)]
  if (was && is) return { lines, invalid: 'neither' }
  return {
    lines: lines.map((line) => (line.verdict === '' ? line : { ...line, verdict: NOT_JUDGED })),
    invalid: was ? 'now' : is ? 'before' : 'both',
  }
}

function isValid({ measurement, isClosed }: Comparable): boolean {
  return validity(measurement, isClosed).failures.length === 0
}

function linesOf(before: Measurement, now: Measurement): Compared[] {
  const lines: Compared[] = []
  for (const metric of METRICS) {
    const [was, is] = [before[metric], now[metric]]
    if (was === undefined || is === undefined || was.samples === 0 || is.samples === 0) continue
    lines.push(...percentileLines(metric, was, is))
  }
  for (const metric of ['events', 'goodput'] as const) {
    const [was, is] = [rateOf(metric, before), rateOf(metric, now)]
    lines.push({
      what: metric,
      unit: '1/s',
      before: was,
      now: is,
      ratio: is / was,
      interval: undefined,
      verdict: '',
    })
  }
  lines.push(errorLine(before, now))
  return lines
}

function percentileLines(metric: string, was: Summary, is: Summary): Compared[] {
  const [pooledBefore, pooledNow] = [poolOf(was.tenths.recorded), poolOf(is.tenths.recorded)]
  const lines: Compared[] = []
  for (const statistic of ['p50', 'p90', 'p99'] as const) {
    const [before, now] = [was[statistic], is[statistic]]
    if (before === undefined || now === undefined) continue
    const ratio = now / before
    const isRatio = Number.isFinite(before) && before > 0 && now > 0
    const chance = isRatio ? ratioInterval(pooledBefore, pooledNow, SHARES[statistic]) : undefined
    const interval = chance === undefined ? undefined : including(ratio, chance)
    lines.push({
      what: `${metric} ${statistic}`,
      unit: 'ms',
      before,
      now,
      ratio,
      interval,
      verdict: interval === undefined ? NOT_JUDGED : verdictOf(ratio, interval),
    })
  }
  return lines
}

/** @param recorded undefined in a file of an older version */
function poolOf(recorded: RecordedTenth[] | undefined): PooledTenths {
  return new PooledTenths(recorded ?? [])
}

/** Where hardly anything varies, a ratio can be outside by what the histograms of the tenths round. */
function including(ratio: number, [low, high]: Interval): Interval {
  return [Math.min(low, ratio), Math.max(high, ratio)]
}

function verdictOf(ratio: number, [low, high]: Interval): string {
  if (!(low > 1 || high < 1)) return 'no difference'
  if (!Number.isFinite(ratio)) return 'slower: streams fail now'
  return ratio > 1 ? `slower by ${percent(ratio - 1)}` : `faster by ${percent(1 - ratio)}`
}

/** Two shares differ where their distance is more than chance would make it, at 95 %. */
function errorLine(before: Measurement, now: Measurement): Compared {
  const [was, is] = [rateOf('errors', before), rateOf('errors', now)]
  const pooled = (was * before.arrivals + is * now.arrivals) / (before.arrivals + now.arrivals)
  const deviation = Math.sqrt(pooled * (1 - pooled) * (1 / before.arrivals + 1 / now.arrivals))
  const differs = deviation > 0 && Math.abs(is - was) / deviation > Z_95
  return {
    what: 'errors',
    unit: 'share',
    before: was,
    now: is,
    ratio: was === 0 && is === 0 ? 1 : is / was,
    interval: undefined,
    verdict: differs
      ? is > was
        ? 'worse: more streams fail'
        : 'better: fewer streams fail'
      : 'no difference',
  }
}

const percent = (share: number): string => `${Math.round(share * 100)} %`
