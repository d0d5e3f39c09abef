/** The search for the highest rate: its steps as a table and as a line, and its result in a sentence. */
import { numberText } from '../report/cells.ts'
import type { Lines, Table } from '../report/document.ts'
import { stoppedBy, type Capacity } from '../verdict/capacity.ts'
import { rateOf } from '../verdict/condition.ts'
import { validity } from '../verdict/validity.ts'
import { right, VERDICT } from './columns.ts'
import { count, finite, share } from './quantities.ts'

export function capacityWords(capacity: Capacity): string {
  const { condition, highest, lowestFailing, precision, steps } = capacity
  const last = steps.at(-1)
  if (last === undefined) return 'The first step of the search was not over.'
  const limit = stoppedBy(capacity)
  const remedy = limit === undefined ? '' : validity(last.measurement, false).remedy
  const profiler = limit === undefined ? undefined : `the profiler's own limit came first (${limit})`
  if (highest === undefined) {
    if (profiler !== undefined) {
      return `Whether ${condition} holds at any rate is not known: ${profiler}. Conclude nothing from it. ${remedy}`.trimEnd()
    }
    return `No rate was found at which ${condition} holds: ${last.judged.why === '' ? 'not even the lowest' : last.judged.why}.`
  }
  if (lowestFailing === undefined) {
    return `${condition} holds up to at least ${numberText(highest)} streams per second. Then ${profiler ?? 'the search ended'}. ${remedy}`.trimEnd()
  }
  const between = profiler === undefined ? '' : ` Between them ${profiler}. ${remedy}`.trimEnd()
  return `${condition} holds up to ${numberText(highest)} streams per second, and no longer at ${numberText(lowestFailing)} (wanted within ${share(precision)}).${between}`
}

export function capacityTable({ steps, condition }: Capacity): Table {
  return {
    kind: 'table',
    title: `Which rate holds ${condition}?`,
    columns: [right('rate', '1/s'), right('arrivals'), right('measured'), right('errors'), VERDICT],
    rows: steps.map(({ rate, judged, invalid, measurement, holds }) => [
      rate,
      count(measurement.arrivals),
      finite(judged.actual),
      share(rateOf('errors', measurement)),
      invalid.length > 0
        ? `INVALID: ${invalid.join('; ')}`
        : holds
          ? 'kept'
          : `missed${judged.why === '' ? '' : `: ${judged.why}`}`,
    ]),
    notes: [
      'Each rate is tried once, or again where it was INVALID: near the limit a second search may differ by a step.',
    ],
  }
}

export function capacityLines({ steps, condition }: Capacity): Lines {
  const points = steps
    .filter(({ judged }) => judged.actual !== undefined && Number.isFinite(judged.actual))
    .map(({ rate, judged }) => [rate, judged.actual as number] as const)
    .toSorted(([one], [other]) => one - other)
  return {
    kind: 'lines',
    title: `${condition.replace(/[<>].*/, '')} against the rate`,
    x: { label: 'streams begun', unit: '1/s', logarithmic: true },
    y: { label: condition.replace(/[<>].*/, ''), logarithmic: true },
    series: [{ name: 'measured', points }],
    notes: [],
  }
}
