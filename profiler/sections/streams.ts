/** How streams went: good or not and why, goodput, events and bytes per second. */
import { numberText } from '../report/cells.ts'
import type { Table } from '../report/document.ts'
import { OUTCOMES, type Measurement, type Outcome, type Plan } from '../plan.ts'
import { rateOf } from '../verdict/condition.ts'
import { right } from './columns.ts'
import { count, share } from './quantities.ts'

const WORDS: Readonly<Record<Exclude<Outcome, 'good'>, string>> = {
  refused: 'refused: no connection',
  tls: 'TLS handshake failed',
  reset: 'reset: the connection broke',
  timeout: 'timeout: not over in time',
  status: 'status: not 200',
  'not-event-stream': 'not an event stream',
  'content-encoding': 'content-encoding not asked for',
  malformed: 'malformed: not HTTP/1.x',
  truncated: 'truncated: closed before its end',
  'no-event': 'no event: ended without one',
  local: "this machine's limit",
}

export function streamTable(measurement: Measurement, { load, slo: limits }: Plan): Table {
  const { arrivals, scheduled, outcomes, endedByProfiler, unstamped } = measurement
  const good = outcomes.good ?? 0
  const rows: (string | number)[][] = [['good', count(good), share(good / arrivals), '']]
  for (const outcome of OUTCOMES) {
    const number = outcomes[outcome] ?? 0
    if (outcome === 'good' || number === 0) continue
    rows.push([WORDS[outcome], count(number), share(number / arrivals), failureDetail(outcome, measurement)])
  }
  const slo =
    limits === undefined
      ? 'of good streams, since no --slo was given'
      : `within ${Object.entries(limits)
          .map(([name, limit]) => `${name} ${limit} ms`)
          .join(', ')}`
  rows.push(
    [
      'goodput',
      `${numberText(rateOf('goodput', measurement))}/s`,
      share(measurement.withinSlo / arrivals),
      slo,
    ],
    ['events', `${numberText(rateOf('events', measurement))}/s`, '', `${count(measurement.events)} in all`],
    [
      'bytes of bodies',
      `${numberText(rateOf('bytes', measurement))}/s`,
      '',
      `${count(measurement.bytes)} in all`,
    ],
    [
      'connections',
      count(measurement.connectionsOpened),
      '',
      `opened, warm-up included; ${load.connections}`,
    ],
  )
  const notes = [
    `share = streams ÷ scheduled arrivals that came to their end (${count(arrivals)} of ${count(scheduled)})`,
    'goodput = good streams within the limits ÷ the time in which they were to arrive; events and bytes ÷ the time in which any came',
  ]
  if (endedByProfiler > 0)
    notes.push(`${count(endedByProfiler)} streams were ended by the profiler, as it was told to.`)
  if (unstamped > 0) notes.push(`${count(unstamped)} events had no stamp where --stamp looks for it.`)
  return {
    kind: 'table',
    title: 'Streams',
    columns: [{ title: 'what' }, right('streams'), right('share'), { title: 'detail' }],
    rows,
    notes,
  }
}

/** Why streams have failed so: their statuses, or the error of the first of them; '' where there is none. */
export function failureDetail(outcome: Outcome, { statuses, details }: Measurement): string {
  if (outcome !== 'status') return details[outcome] ?? ''
  return Object.entries(statuses)
    .map(([code, times]) => `${code}: ${times}`)
    .join(', ')
}
