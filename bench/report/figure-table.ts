import { numberText } from '../../profiler/report/cells.ts'
import type { Column, Table } from '../../profiler/report/document.ts'
import { median } from '../../profiler/samples/percentiles.ts'
import { verdict, type Figure, type Side } from '../figures/figure.ts'
import type { Goal } from '../scenarios/rounds.ts'
import type { Results } from './results.ts'

const left = (title: string): Column => ({ title, align: 'left' })
const right = (title: string): Column => ({ title, align: 'right' })

/** The figures, each a ratio with its goal; below the table how they were computed. */
export function figureTable({ figures, quick }: Results): Table {
  const formulas = new Map<string, Set<string>>()
  for (const { what, formula } of figures)
    formulas.set(formula, (formulas.get(formula) ?? new Set()).add(what))
  return {
    kind: 'table',
    title: 'One contender against another',
    columns: [
      left('scenario'),
      left('what'),
      left('of'),
      right('median'),
      left('to'),
      right('median'),
      right('ratio'),
      right('least'),
      right('most'),
      left('goal'),
      left('verdict'),
    ],
    rows: figures.map((one) => [
      one.scenario,
      one.what,
      ...sideCells(one.subject),
      ...sideCells(one.baseline),
      ratio(one.ratio),
      ratio(one.spread[0]),
      ratio(one.spread[1]),
      one.goal === undefined ? '' : goal(one.goal),
      judged(one, quick),
    ]),
    notes: [
      "Each in rounds of fresh processes, A B, B A, A B, …; ratio: the median of the rounds' own, least and most: of any one round.",
      'A goal that some rounds reach and others do not is unclear.',
      ...[...formulas].map(([formula, whats]) => `${[...whats].join('; ')}: ${formula}`),
    ],
  }
}

function judged(one: Figure, quick: boolean): string {
  if (quick && !Number.isNaN(one.ratio)) return 'counts agree'
  return one.failures.length > 0 ? `INVALID: ${one.failures[0]}` : verdict(one)
}

function sideCells({ contender, values }: Side): string[] {
  return [contender, numberText(median(values))]
}

function goal({ is, ratio: wanted }: Goal): string {
  return `${is === 'at least' ? '≥' : '≤'} ${wanted < 0.2 ? ratio(wanted) : String(wanted)}`
}

/** Ratios below one are easier to compare as fractions of one. */
function ratio(value: number): string {
  if (!Number.isFinite(value)) return '–'
  return value > 0 && value < 0.2 ? `1/${numberText(1 / value)}` : numberText(value)
}
