/** What became of a profile, and the command's exit code for it. */
import { stoppedBy } from '../verdict/capacity.ts'
import { validity } from '../verdict/validity.ts'
import type { Findings } from './findings.ts'

/**
 * - `pass`: valid, and every threshold holds
 * - `threshold`: valid, and one does not; or no rate holds the condition of `findCapacity`
 * - `invalid`: the generator was late or busy, or no stream was good: conclude nothing from it
 * - `interrupted`: ended from outside. What was measured by then is in the report
 */
export type Verdict = 'pass' | 'threshold' | 'invalid' | 'interrupted'

export const EXIT: Readonly<Record<Verdict, number>> = {
  pass: 0,
  invalid: 3,
  threshold: 99,
  interrupted: 130,
}

export function verdictOf({
  interrupted,
  capacity,
  measurement,
  plan,
  judged,
}: Pick<Findings, 'interrupted' | 'capacity' | 'measurement' | 'plan' | 'judged'>): Verdict {
  if (interrupted) return 'interrupted'
  if (capacity !== undefined) {
    if (capacity.highest !== undefined) return thresholdVerdict(judged)
    return stoppedBy(capacity) === undefined ? 'threshold' : 'invalid'
  }
  if (measurement === undefined) return 'invalid'
  if (validity(measurement, plan.load.closed !== undefined).failures.length > 0) return 'invalid'
  return thresholdVerdict(judged)
}

function thresholdVerdict(judged: Findings['judged']): Verdict {
  return judged.every(({ holds }) => holds === true) ? 'pass' : 'threshold'
}
