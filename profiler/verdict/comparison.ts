/** A run against one of before: ratios, and what has changed by more than the noise of the runs. */
import { median, rank } from '../samples/percentiles.ts'
import { rateOf } from './condition.ts'
import type { Measurement, Summary } from '../plan.ts'
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
  interval: [low: number, high: number] | undefined
  verdict: string
}

export interface Comparison {
  lines: Compared[]
  /** Which of the two is INVALID: then nothing is concluded. */
  invalid: 'neither' | 'before' | 'now' | 'both'
}

const NOT_JUDGED = 'not judged'
const RESAMPLES = 2_000
const FEWEST_TENTHS = 5
const Z_95 = 1.96
const METRICS = ['ttfb', 'ttfe', 'gap', 'total', 'latency'] as const

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
    for (const statistic of ['p50', 'p90', 'p99'] as const) {
      const line = percentileLine(metric, statistic, was, is)
      if (line !== undefined) lines.push(line)
    }
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

function percentileLine(
  metric: string,
  statistic: 'p50' | 'p90' | 'p99',
  was: Summary,
  is: Summary,
): Compared | undefined {
  const [before, now] = [was[statistic], is[statistic]]
  if (before === undefined || now === undefined) return undefined
  const interval =
    statistic === 'p99' ? undefined : ratioInterval(was.tenths[statistic], is.tenths[statistic])
  return {
    what: `${metric} ${statistic}`,
    unit: 'ms',
    before,
    now,
    ratio: now / before,
    interval,
    verdict: interval === undefined ? NOT_JUDGED : verdictOf(now / before, interval),
  }
}

function verdictOf(ratio: number, [low, high]: [number, number]): string {
  if (!(low > 1 || high < 1)) return 'no difference'
  if (!Number.isFinite(ratio)) return 'slower: streams fail now'
  return ratio > 1 ? `slower by ${percent(ratio - 1)}` : `faster by ${percent(1 - ratio)}`
}

/** A bootstrap over the tenths of each run: their spread is the noise within a run. */
function ratioInterval(before: number[], now: number[]): [number, number] | undefined {
  if (before.length < FEWEST_TENTHS || now.length < FEWEST_TENTHS) return undefined
  if ([...before, ...now].some((value) => !(Number.isFinite(value) && value > 0))) return undefined
  let state = 1
  const random = (): number => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return state / 2 ** 32
  }
  const drawn = (from: number[]): number =>
    median(from.map(() => from[Math.floor(random() * from.length)] as number))
  const ratios = Float64Array.from({ length: RESAMPLES }, () => drawn(now) / drawn(before)).toSorted()
  return [rank(ratios, 0.025), rank(ratios, 0.975)]
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
