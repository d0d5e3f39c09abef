/** The search for the highest rate at which a condition holds. */
import { judgeCondition, type Condition, type Judged } from './condition.ts'
import type { Load, Measurement } from '../plan.ts'
import { validity } from './validity.ts'

/** A p99 needs 1,000 samples; a Poisson schedule may have fewer than its mean after the warm-up. */
const ARRIVALS_FOR_P99 = 1_150
const ARRIVALS_FOR_P999 = 10_400
const LOWEST_RATE = 0.5
const MOST_STEPS = 24

interface CapacityStep {
  rate: number
  holds: boolean
  judged: Judged
  /** Why nothing is concluded from the step; empty for a valid one. */
  invalid: string[]
  measurement: Measurement
}

export interface Capacity {
  condition: string
  steps: CapacityStep[]
  /** The highest rate that held; undefined where none did. */
  highest: number | undefined
  /** The lowest above it that did not; undefined where the profiler's own limit came first. */
  lowestFailing: number | undefined
  precision: number
}

/** The load of one step. */
export function stepLoad(load: Load, rate: number, { statistic }: Condition): Load {
  const arrivals = statistic === 'p99' ? ARRIVALS_FOR_P99 : statistic === 'p99.9' ? ARRIVALS_FOR_P999 : 1
  return { ...load, rate, durationMs: Math.max(load.durationMs, Math.ceil((arrivals * 1_000) / rate)) }
}

/**
 * Finds the highest rate at which a condition holds: doubles (or halves) until there is one that holds below one that
 * does not, then bisects until they differ by no more than the precision.
 *
 * @param measure undefined when interrupted
 */
export async function findCapacity(
  condition: Condition,
  from: number,
  precision: number,
  measure: (rate: number) => Promise<Measurement | undefined>,
): Promise<Capacity> {
  const capacity: Capacity = {
    condition: condition.text,
    steps: [],
    highest: undefined,
    lowestFailing: undefined,
    precision,
  }
  let rate = from
  let isAgain = false
  while (capacity.steps.length < MOST_STEPS) {
    const measurement = await measure(rate)
    if (measurement === undefined) break
    const step = judgeStep(condition, rate, measurement)
    capacity.steps.push(step)
    if (step.invalid.length > 0) {
      // The generator did not keep up. Something else may have had the core: once more.
      if (isAgain) break
      isAgain = true
      continue
    }
    isAgain = false
    if (step.holds) capacity.highest = rate
    else capacity.lowestFailing = rate
    const next = nextRate(capacity, rate)
    if (next === undefined) break
    rate = next
  }
  return capacity
}

/** Why the search ended before its end: its last step was INVALID. Undefined where it was not. */
export function stoppedBy({ steps }: Capacity): string | undefined {
  const invalid = steps.at(-1)?.invalid ?? []
  return invalid.length === 0 ? undefined : invalid.join('; ')
}

function judgeStep(condition: Condition, rate: number, measurement: Measurement): CapacityStep {
  const judged = judgeCondition(condition, measurement)
  // If no stream was good, that is the server's answer, and not the generator's fault.
  const invalid = (measurement.outcomes.good ?? 0) === 0 ? [] : validity(measurement, false).failures
  return { rate, holds: judged.holds, judged, invalid, measurement }
}

function nextRate({ highest, lowestFailing, precision }: Capacity, rate: number): number | undefined {
  if (lowestFailing === undefined) return rate * 2
  if (highest === undefined) return rate / 2 < LOWEST_RATE ? undefined : rate / 2
  return lowestFailing / highest - 1 <= precision ? undefined : (highest + lowestFailing) / 2
}
