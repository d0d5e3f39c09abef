/** The options of what is measured besides times and rates, and of what is judged. */
import type { Limits, Stamp } from '../plan.ts'
import { UsageError } from '../usage-error.ts'
import { parseCondition, parseLimits, type Condition } from '../verdict/condition.ts'
import type { Given } from './given.ts'
import type { ResolvedJudgement } from './resolved-profile.ts'
import { share } from './values.ts'

const DEFAULT_PRECISION = 0.1

/** @throws UsageError */
export function judgementOptions(given: Given): ResolvedJudgement {
  return {
    stamp: given.take('stamp', stampOf, undefined),
    slo: given.take('slo', limitsOf, undefined),
    thresholds: given.take('thresholds', conditionsOf, []),
    capacity: given.take('findCapacity', conditionOf, undefined),
    precision: given.take('precision', share, DEFAULT_PRECISION),
  }
}

function stampOf(option: string, given: unknown): Stamp {
  const text = String(given)
  const [, kind, path = ''] = /^(json|ms|ns)(?::([^:]+))?$/.exec(text) ?? []
  if (kind === undefined || (kind === 'json' && path === '')) {
    throw new UsageError(
      `${option}: expected json:KEY (ms since 1970), ms, ns or ns:KEY, as json:sent.at, got "${text}"`,
    )
  }
  return { unit: kind === 'ns' ? 'ns' : 'ms', path: path === '' ? [] : path.split('.') }
}

function limitsOf(option: string, given: unknown): Limits {
  if (typeof given !== 'object' || given === null) return parseLimits(option, String(given))
  const parts = Object.entries(given).map(([metric, ms]) => `${metric}:${String(ms)}`)
  return parseLimits(option, parts.join(','))
}

function conditionOf(option: string, given: unknown): Condition {
  return parseCondition(option, String(given))
}

function conditionsOf(option: string, given: unknown): Condition[] {
  if (!Array.isArray(given)) {
    throw new UsageError(`${option}: expected a list, as ['ttfb:p99<50'], got "${String(given)}"`)
  }
  return given.map((text) => conditionOf(option, text))
}
