/** The thresholds that were given: a table of verdicts, and the sentence for the summary. */
import type { Threshold } from '../findings/findings.ts'
import type { Table } from '../report/document.ts'
import { right, VERDICT } from './columns.ts'
import { finite } from './quantities.ts'

export function thresholdTable(judged: readonly Threshold[]): Table {
  return {
    kind: 'table',
    title: 'Thresholds',
    columns: [{ title: 'threshold' }, right('measured'), VERDICT],
    rows: judged.map(({ text, actual, holds, why }) => [
      text,
      finite(actual),
      holds === undefined ? 'not judged' : holds ? 'kept' : `missed${why === '' ? '' : `: ${why}`}`,
    ]),
    notes: [
      judged.some(({ holds }) => holds === undefined)
        ? 'The measurement is INVALID: what was measured says nothing of the server.'
        : 'A threshold without enough samples is missed.',
    ],
  }
}

export function thresholdWords(judged: readonly Threshold[]): string {
  if (judged.some(({ holds }) => holds === undefined)) {
    return 'No threshold was judged, since the measurement is INVALID.'
  }
  const missed = judged.filter(({ holds }) => holds === false)
  if (missed.length === 0) return 'Every threshold is kept.'
  return `Not kept: ${missed.map(({ text, why }) => (why === '' ? text : `${text} (${why})`)).join('; ')}.`
}
