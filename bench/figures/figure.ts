/**
 * A figure: one thing measured at two contenders side by side, as a ratio, against a goal.
 *
 * Rounds alternate (A B, B A, A B, …), each with fresh processes, so that whatever else the machine does falls on
 * both. The ratio is that of the medians; beside it stand the least and the greatest ratio of any one round.
 */
import { median } from '../percentiles.ts'
import type { Goal } from '../scenarios.ts'

export interface Side {
  contender: string
  /** One for each round. */
  values: number[]
}

export interface Figure {
  scenario: string
  /** What is measured, with its unit. */
  what: string
  /** How it is computed. */
  formula: string
  subject: Side
  baseline: Side
  /** Median of the subject ÷ median of the baseline. */
  ratio: number
  /** The least and the greatest of the rounds' own ratios. */
  spread: [least: number, greatest: number]
  /** Undefined where the ratio is told for information. */
  goal: Goal | undefined
  /** Why it must not be believed, in words; empty if it may. */
  failures: string[]
}

export type FigureDefinition = Pick<Figure, 'scenario' | 'what' | 'formula' | 'goal'>

export function figure(
  definition: FigureDefinition,
  subject: Side,
  baseline: Side,
  failures: string[],
): Figure {
  const ratios = subject.values.map((value, round) => value / (baseline.values[round] ?? NaN))
  return {
    ...definition,
    subject,
    baseline,
    ratio: median(subject.values) / median(baseline.values),
    spread: [Math.min(...ratios), Math.max(...ratios)],
    failures: [...new Set(failures)],
  }
}

export type Verdict = 'reached' | 'missed' | 'unclear' | 'no goal' | 'not measured'

/** A goal that some rounds reach and some miss is neither reached nor missed. */
export function verdict({ ratio, spread, goal }: Figure): Verdict {
  if (Number.isNaN(ratio)) return 'not measured'
  if (goal === undefined) return 'no goal'
  const reaches = (value: number): boolean =>
    goal.is === 'at least' ? value >= goal.ratio : value <= goal.ratio
  const reached = [ratio, ...spread].map(reaches)
  if (reached.every(Boolean)) return 'reached'
  return reached.some(Boolean) ? 'unclear' : 'missed'
}
