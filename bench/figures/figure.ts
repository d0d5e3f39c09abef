/**
 * A figure: one thing measured at two contenders side by side, as a ratio, against a goal.
 *
 * Rounds alternate (A B, B A, A B, …), each with fresh processes, so that whatever else the machine does falls on
 * both. The ratio is the median of the rounds' own; beside it stand the least and the greatest of them, and, of six
 * rounds or more, an interval of 95 %.
 */
import type { Goal } from '../scenarios/rounds.ts'
import { FEWEST_ROUNDS, noiseFactor, pairedRatio, spansOne, type Interval } from '../statistics/statistics.ts'

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
  /** The median of the rounds' ratios, subject ÷ baseline. */
  ratio: number
  /** The least and the greatest of the rounds' own ratios. */
  spread: [least: number, greatest: number]
  /** Bootstrap interval of the ratio, 95 %; undefined for fewer than six rounds. */
  interval: Interval | undefined
  /** Undefined where the ratio is given for information. */
  goal: Goal | undefined
  /** Of `--compare`: how it is worded, and against what noise. */
  comparison?: Comparison
  /** Why it does not count, in words; empty where it does. */
  failures: string[]
}

export interface Comparison {
  /** What it is to have less, and to have more, of what is measured. */
  words: readonly [less: string, more: string]
  /** The interval of the baseline against itself; undefined for that very figure, and where there was none. */
  noise: Interval | undefined
  /** Whether both sides are the same: what differs then is noise. */
  same: boolean
}

export type FigureDefinition = Pick<Figure, 'scenario' | 'what' | 'formula' | 'goal'>

/** Of the draws for intervals: the same for all, so that the same rounds always give the same interval. */
const SEED = 1

export function figure(
  definition: FigureDefinition,
  subject: Side,
  baseline: Side,
  failures: string[],
  comparison?: Comparison,
): Figure {
  const ratios = subject.values.map((value, round) => value / (baseline.values[round] ?? NaN))
  return {
    ...definition,
    subject,
    baseline,
    ...pairedRatio(subject.values, baseline.values, SEED),
    spread: [Math.min(...ratios), Math.max(...ratios)],
    ...(comparison === undefined ? {} : { comparison }),
    failures: [...new Set(failures)],
  }
}

/** In words. A goal that the interval, or without one some round, does not settle is neither reached nor missed. */
export function verdict({ ratio, spread, interval, goal, comparison, subject }: Figure): string {
  if (Number.isNaN(ratio)) return 'not measured'
  if (goal !== undefined) return judge([ratio, ...(interval ?? spread)], goal)
  if (comparison === undefined) return 'no goal'
  if (interval === undefined) {
    return `unclear: ${FEWEST_ROUNDS} rounds are needed for an interval, there were ${subject.values.length}`
  }
  return compare(ratio, interval, comparison)
}

function judge(ratios: readonly number[], goal: Goal): 'reached' | 'missed' | 'unclear' {
  const reached = ratios.map((value) => (goal.is === 'at least' ? value >= goal.ratio : value <= goal.ratio))
  if (reached.every(Boolean)) return 'reached'
  return reached.some(Boolean) ? 'unclear' : 'missed'
}

function compare(ratio: number, interval: Interval, { words, noise, same }: Comparison): string {
  if (same) return `noise floor: ±${Number(((noiseFactor(interval) - 1) * 100).toPrecision(2))} %`
  if (spansOne(interval)) return 'no difference'
  const factor = Math.max(ratio, 1 / ratio)
  if (noise !== undefined && factor <= noiseFactor(noise)) return 'no difference beyond the noise'
  const [less, more] = words
  const [low, high] = interval
  const [by, least, most] = ratio < 1 ? [less, 1 / high, 1 / low] : [more, low, high]
  return `${by} by ${times(least)} to ${times(most)} times`
}

function times(factor: number): string {
  return factor >= 100 ? Math.round(factor).toLocaleString('en') : factor.toPrecision(factor < 2 ? 3 : 2)
}
