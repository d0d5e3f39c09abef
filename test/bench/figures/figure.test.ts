import { expect, test } from 'vitest'
import { figure, verdict, type Comparison, type Figure } from '../../../bench/figures/figure.ts'
import type { Goal } from '../../../bench/scenarios/rounds.ts'

const WORDS = ['faster', 'slower'] as const
const compared = (noise?: Comparison['noise'], same = false): Comparison => ({ words: WORDS, noise, same })

function made(ratios: number[], goal?: Goal, comparison?: Comparison): Figure {
  const definition = { scenario: 'one', what: 'time, ms', formula: 'end − start', goal }
  const baseline = { contender: 'B', values: ratios.map(() => 10) }
  return figure(
    definition,
    { contender: 'A', values: ratios.map((ratio) => ratio * 10) },
    baseline,
    [],
    comparison,
  )
}

const AT_MOST_2: Goal = { is: 'at most', ratio: 2 }
const AT_LEAST_2: Goal = { is: 'at least', ratio: 2 }

test.each([
  ['reached', [1, 1.5, 2], AT_MOST_2],
  ['missed', [2.1, 2.5, 3], AT_MOST_2],
  ['unclear', [1.9, 1.9, 2.1], AT_MOST_2],
  ['missed', [1, 1.5, 1.9], AT_LEAST_2],
  ['reached', [2, 2.5, 3], AT_LEAST_2],
])('few rounds: a goal is %s where all of %j say so', (expected, ratios, goal) => {
  expect(verdict(made(ratios, goal))).toBe(expected)
})

test('many rounds: an outlier does not make a goal unclear', () => {
  const ratios = [1.5, 1.5, 1.5, 1.5, 1.5, 1.5, 1.5, 1.5, 1.5, 1.5, 1.5, 9]
  expect(verdict(made(ratios, AT_MOST_2))).toBe('reached')
})

test.each([
  ['no difference', [0.9, 1.1, 0.95, 1.05, 1, 1.02]],
  ['slower by 2.0 to 2.0 times', [2, 2, 2, 2, 2, 2]],
  ['faster by 2.0 to 2.0 times', [0.5, 0.5, 0.5, 0.5, 0.5, 0.5]],
  ['faster by 200 to 200 times', [0.005, 0.005, 0.005, 0.005, 0.005, 0.005]],
  ['unclear: 6 rounds are needed for an interval, there were 5', [2, 2, 2, 2, 2]],
])('without a goal: %s', (expected, ratios) => {
  expect(verdict(made(ratios, undefined, compared()))).toBe(expected)
})

test('what differs less than a contender from itself is no difference', () => {
  const ratios = [1.1, 1.1, 1.1, 1.1, 1.1, 1.1]
  expect(verdict(made(ratios, undefined, compared([0.85, 1.02])))).toBe('no difference beyond the noise')
  expect(verdict(made(ratios, undefined, compared([0.95, 1.02])))).toBe('slower by 1.10 to 1.10 times')
})

test('a contender against itself is the noise floor', () => {
  const ratios = [1.25, 1.25, 1.25, 1.25, 1.25, 1.25]
  expect(verdict(made(ratios, undefined, compared(undefined, true)))).toBe('noise floor: ±25 %')
})

test('what was not measured has no verdict', () => {
  expect(verdict(made([]))).toBe('not measured')
  expect(verdict(made([1, 1]))).toBe('no goal')
})
