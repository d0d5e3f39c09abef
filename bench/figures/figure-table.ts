import { left, right, table } from '../table.ts'
import type { Results } from '../results.ts'
import type { Goal } from '../scenarios.ts'
import { verdict, type Figure, type Side, type Verdict } from './figure.ts'
import { median } from '../percentiles.ts'

const COLOURS: Partial<Record<Verdict, 'green' | 'red' | 'yellow'>> = {
  reached: 'green',
  missed: 'red',
  unclear: 'yellow',
}

/** The figures, each a ratio with its goal; below the table how they were computed. */
export function figureTable(
  { figures, quick }: Results,
  paint: (style: 'red' | 'yellow' | 'green', text: string) => string,
): string {
  const columns = [
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
  ]
  const judged = (one: Figure): string => {
    if (Number.isNaN(one.ratio)) return 'not measured'
    if (quick) return 'counts agree'
    if (one.failures.length > 0) return paint('red', `INVALID: ${one.failures[0]}`)
    const found = verdict(one)
    const colour = COLOURS[found]
    return colour === undefined ? found : paint(colour, found)
  }
  const rows = figures.map((one) => [
    one.scenario,
    one.what,
    ...sideCells(one.subject),
    ...sideCells(one.baseline),
    ratio(one.ratio),
    ratio(one.spread[0]),
    ratio(one.spread[1]),
    one.goal === undefined ? '' : goal(one.goal),
    judged(one),
  ])
  const formulas = new Map<string, Set<string>>()
  for (const { what, formula } of figures)
    formulas.set(formula, (formulas.get(formula) ?? new Set()).add(what))
  return `${table(columns, rows)}

Each in rounds of fresh processes, A B, B A, A B, …; ratio: median ÷ median, least and most: of any one round.
A goal that some rounds reach and others do not is unclear. Formulas:
${[...formulas].map(([formula, whats]) => `- ${[...whats].join('; ')}: ${formula}`).join('\n')}`
}

function sideCells({ contender, values }: Side): string[] {
  return [contender, number(median(values))]
}

function goal({ is, ratio: wanted }: Goal): string {
  return `${is === 'at least' ? '≥' : '≤'} ${ratio(wanted)}`
}

/** Ratios below one are easier to compare as fractions of one. */
function ratio(value: number): string {
  if (!Number.isFinite(value)) return '–'
  return value > 0 && value < 0.2 ? `1/${number(1 / value)}` : number(value)
}

function number(value: number): string {
  if (!Number.isFinite(value)) return '–'
  return value >= 1_000 ? Math.round(value).toLocaleString('en') : String(Number(value.toPrecision(3)))
}
