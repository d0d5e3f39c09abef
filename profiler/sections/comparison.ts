/** The comparison with a run of before. */
import type { Findings } from '../findings/findings.ts'
import { numberText } from '../report/cells.ts'
import type { Table } from '../report/document.ts'
import type { Comparison } from '../verdict/comparison.ts'
import { right, VERDICT } from './columns.ts'
import { finite } from './quantities.ts'

const INVALID_OF: Readonly<Record<Exclude<Comparison['invalid'], 'neither'>, string>> = {
  before: 'the run of before is INVALID',
  now: 'the measurement is INVALID',
  both: 'the measurement and the run of before are INVALID',
}

export function comparisonTable({ command, lines, invalid }: NonNullable<Findings['compared']>): Table {
  return {
    kind: 'table',
    title: 'Against the run of before',
    columns: [
      { title: 'figure' },
      right('before'),
      right('now'),
      right('now ÷ before'),
      right('95 % interval'),
      VERDICT,
    ],
    rows: lines.map(({ what, unit, before, now, ratio, interval, verdict }) => [
      `${what}, ${unit}`,
      finite(before),
      finite(now),
      finite(ratio),
      interval === undefined ? '' : interval.map(bound).join(' to '),
      verdict,
    ]),
    notes: [
      `Before: ${command}`,
      ...(invalid === 'neither'
        ? []
        : [`No verdict, since ${INVALID_OF[invalid]}: the difference may be the load generator's.`]),
      'Interval: bootstrap over the tenths of each run, of the same percentile of their samples together. It knows the noise within the runs, and not what else has changed on the machines between them: run either again to see.',
    ],
  }
}

/** Of an interval: ∞ where so many may fail. */
const bound = (ratio: number): string => (ratio === Infinity ? '∞' : numberText(ratio))

/** Why nothing is concluded; undefined where something is. */
export function comparisonWords({ invalid }: Pick<Comparison, 'invalid'>): string | undefined {
  if (invalid === 'neither') return undefined
  return `Nothing is said of what has changed, since ${INVALID_OF[invalid]}.`
}
