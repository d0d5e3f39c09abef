/**
 * Conditions on a measurement, as `ttfb:p99<50`: how they are written and judged. This folder judges measurements:
 * whether they count, whether conditions hold, what has changed since a run of before, and how much a server takes.
 */
import { UsageError } from '../usage-error.ts'
import type { Limits, Measurement, Summary } from '../plan.ts'

const METRICS = ['ttfb', 'ttfe', 'gap', 'total', 'latency'] as const
const STATISTICS = ['min', 'mean', 'p50', 'p90', 'p95', 'p99', 'p99.9', 'max'] as const
const RATES = ['errors', 'goodput', 'events', 'bytes'] as const

type Metric = (typeof METRICS)[number]
type Statistic = (typeof STATISTICS)[number]

/** One condition: a figure of a measurement, and what it is compared with. */
export interface Condition {
  text: string
  metric: Metric | (typeof RATES)[number]
  statistic: Statistic | 'rate'
  operator: '<' | '<=' | '>' | '>='
  /** In ms, per second, or a share: the unit of the figure. */
  value: number
}

export interface Judged {
  text: string
  holds: boolean
  /** The figure; undefined where the measurement has none. */
  actual: number | undefined
  /** Why there is no figure, in words; '' where there is one. */
  why: string
}

const SHAPE = /^\s*([a-z]+)\s*:\s*([a-z0-9.]+)\s*(<=|>=|<|>)\s*(\d+(?:\.\d+)?)\s*(?:ms)?\s*$/

/** @throws UsageError */
export function parseCondition(option: string, text: string): Condition {
  const [, metric = '', statistic = '', operator = '', value = ''] = SHAPE.exec(text) ?? []
  const isMetric = (METRICS as readonly string[]).includes(metric)
  const isRate = (RATES as readonly string[]).includes(metric)
  if (!isMetric && !isRate) {
    throw new UsageError(
      `${option}: expected METRIC:STATISTIC<VALUE, as 'ttfb:p99<50', got "${text}". ` +
        `Metrics in ms: ${METRICS.join(', ')}; by rate: ${RATES.map((name) => `${name}:rate`).join(', ')}. ` +
        'Quote it: < means something to the shell.',
    )
  }
  if (isRate ? statistic !== 'rate' : !(STATISTICS as readonly string[]).includes(statistic)) {
    const known = isRate ? 'rate' : STATISTICS.join(', ')
    throw new UsageError(`${option}: ${metric} has no "${statistic}". Use one of: ${known}`)
  }
  return {
    text: text.trim(),
    metric: metric as Condition['metric'],
    statistic: statistic as Condition['statistic'],
    operator: operator as Condition['operator'],
    value: Number(value),
  }
}

/** @throws UsageError */
export function parseLimits(option: string, text: string): Limits {
  const limits: Limits = {}
  for (const part of text.split(',')) {
    const [, metric, value] = /^\s*(ttfb|ttfe|gap|total)\s*:\s*(\d+(?:\.\d+)?)\s*(?:ms)?\s*$/.exec(part) ?? []
    if (metric === undefined) {
      throw new UsageError(
        `${option}: expected limits in ms, as ttfb:50,ttfe:500, got "${part}". There are ttfb, ttfe, gap (the longest of a stream) and total`,
      )
    }
    limits[metric as keyof Limits] = Number(value)
  }
  return limits
}

export function judgeCondition(condition: Condition, measurement: Measurement): Judged {
  const { text, metric, statistic, operator, value } = condition
  if (measurement.arrivals === 0) return { text, holds: false, actual: undefined, why: 'no samples' }
  const actual =
    statistic === 'rate'
      ? rateOf(metric as (typeof RATES)[number], measurement)
      : figureOf(measurement[metric as Metric], statistic)
  if (typeof actual === 'string') return { text, holds: false, actual: undefined, why: actual }
  const holds = compare(actual, operator, value)
  return { text, holds, actual, why: '' }
}

function compare(actual: number, operator: Condition['operator'], value: number): boolean {
  switch (operator) {
    case '<':
      return actual < value
    case '<=':
      return actual <= value
    case '>':
      return actual > value
    case '>=':
      return actual >= value
    default:
      return operator satisfies never
  }
}

/** @returns why there is none, in words */
function figureOf(summary: Summary | undefined, statistic: Statistic): number | string {
  if (summary === undefined) return 'no samples: give --stamp'
  if (summary.samples === 0) return 'no samples'
  if (statistic === 'p99.9') {
    return summary.p999 ?? `needs 10,000 samples, there are ${summary.samples.toLocaleString('en')}`
  }
  const figure = summary[statistic]
  if (figure === undefined) return `needs 1,000 samples, there are ${summary.samples.toLocaleString('en')}`
  return Number.isNaN(figure) ? 'no samples' : figure
}

export function rateOf(metric: (typeof RATES)[number], measurement: Measurement): number {
  const { arrivals, outcomes, windowMs, receivedForMs, withinSlo, events, bytes } = measurement
  switch (metric) {
    case 'errors':
      return 1 - (outcomes.good ?? 0) / arrivals
    case 'goodput':
      return (withinSlo * 1_000) / windowMs
    case 'events':
      return (events * 1_000) / receivedForMs
    case 'bytes':
      return (bytes * 1_000) / receivedForMs
    default:
      return metric satisfies never
  }
}
