/** The load generator's own figures: where they are over a limit, the measurement is INVALID. */
import { numberText } from '../report/cells.ts'
import type { Table } from '../report/document.ts'
import type { Load, Measurement } from '../plan.ts'
import { LIMITS, validity } from '../verdict/validity.ts'
import { right, VERDICT } from './columns.ts'
import { ms, share } from './quantities.ts'

const verdict = (holds: boolean): string => (holds ? 'ok' : 'INVALID')

export function validityTable(measurement: Measurement, { closed }: Load): Table {
  const { lagP99Ms, utilisation, achieved } = validity(measurement, closed !== undefined)
  const rows: (string | number)[][] = []
  if (closed === undefined) {
    rows.push(
      ['send lag p99', ms(lagP99Ms), `≤ ${LIMITS['lagP99Ms']} ms`, verdict(lagP99Ms <= LIMITS.lagP99Ms)],
      [
        'rate achieved ÷ offered',
        numberText(achieved ?? 0),
        `≥ ${LIMITS['achieved']}`,
        verdict((achieved ?? 0) >= LIMITS.achieved),
      ],
    )
  }
  const { generators } = measurement
  rows.push([
    generators === 1 ? "the generator's loop" : `the busiest loop of ${generatorsOf(measurement)}`,
    numberText(utilisation),
    `< ${LIMITS['utilisation']}`,
    verdict(utilisation < LIMITS.utilisation),
  ])
  return {
    kind: 'table',
    title: 'Whether it counts',
    columns: [{ title: 'of the load generator' }, right('measured'), right('limit'), VERDICT],
    rows,
    notes: [
      `Its loop's utilisation leaves out the ${share(measurement.polling)} of time in which it only polled for the next arrival.`,
    ],
  }
}

export function generatorsOf({ generators }: Measurement): string {
  return `${generators} generators`
}
