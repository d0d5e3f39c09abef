/** The rows of a run as tables. Ratios against goals are in `figure-table.ts`. */
import { numberText } from '../../profiler/report/cells.ts'
import type { Column, Table } from '../../profiler/report/document.ts'
import type { Percentiles } from '../../profiler/samples/percentiles.ts'
import type { BlockRow } from '../rows/block-row.ts'
import type { Gate } from '../rows/gate.ts'
import type { Results } from './results.ts'

/**
 * Beyond it, measurement and theory disagree. It is judged in overload only: below capacity the waits are so
 * short that much of them is what the machine does besides.
 */
const MOST_OFF_THEORY = 0.2

type Cell = string | number | undefined

const left = (title: string): Column => ({ title, align: 'left' })
const right = (title: string, unit?: string): Column => ({
  title,
  align: 'right',
  ...(unit === undefined ? {} : { unit }),
})

export function blockTable({ blocks, serviceMs, quick }: Results): Table {
  const services = Object.entries(serviceMs).map(([name, ms]) => `${ms.toFixed(2)} ms for ${name}`)
  return {
    kind: 'table',
    title: 'When clients see their first byte (TTFB) and their first event (TTFE)',
    columns: [
      left('scenario'),
      left('executor'),
      right('load'),
      right('clients', '1/s'),
      right('TTFB p50', 'ms'),
      right('p99', 'ms'),
      right('max', 'ms'),
      right('TTFE p50', 'ms'),
      right('p99', 'ms'),
      right('max', 'ms'),
      right('TTFB by theory', 'ms'),
      right('off'),
      left('errors'),
      left('verdict'),
    ],
    rows: blocks.map((row) => [
      row.scenario,
      row.executor,
      `${row.load} ×`,
      row.perSecond,
      ...times(row.firstByteMs),
      ...times(row.firstEventMs),
      ...theoryCells(row),
      errors(row),
      verdict(row, quick),
    ]),
    notes: [
      'All times count from the intended start of a client, in an open loop: TTFB to the first byte of the status line, TTFE to the first event. Errors count as slowest.',
      'No p99 of fewer than 1,000 samples; a p90 stands there.',
      `Load: clients per second × service time S of one stream on one thread (${services.join(', ')}).`,
      "Theory, at p50 / p99: one queue, W' = max(0, W + S − A) over the same arrivals, with S from the row's own server. Off: measured ÷ expected − 1.",
    ],
  }
}

function times({ p50, p90, p99, max }: Percentiles): Cell[] {
  return [
    milliseconds(p50),
    p99 === undefined ? `p90: ${numberText(p90)}` : milliseconds(p99),
    milliseconds(max),
  ]
}

function milliseconds(ms: number): Cell {
  return Number.isFinite(ms) ? ms : 'failed'
}

function errors({ errors: counts, arrivals }: BlockRow): string {
  const listed = Object.entries(counts).map(([name, count]) => `${count} ${name}`)
  return listed.length === 0 ? '0' : `${listed.join(', ')} of ${arrivals}`
}

function verdict({ gate, load, theory, errors: counts }: BlockRow, quick: boolean): string {
  if (Object.keys(counts).length > 0) return 'errors'
  if (quick) return 'counts agree'
  if (gate.failures.length > 0) return invalid(gate)
  if (theory === undefined || load <= 1) return 'ok'
  const off = Math.max(Math.abs(theory.offAtP50), Math.abs(theory.offAtTail))
  return off > MOST_OFF_THEORY ? 'off theory' : 'ok'
}

function theoryCells({ theory }: BlockRow): Cell[] {
  if (theory === undefined) return [undefined, undefined]
  const { firstByteMs, offAtP50, offAtTail } = theory
  const shown = [firstByteMs.p50, firstByteMs.p99 ?? firstByteMs.p90].map((ms) => numberText(ms))
  return [shown.join(' / '), [offAtP50, offAtTail].map(signedPercent).join(' / ')]
}

function invalid(gate: Gate): string {
  // One reason is enough, and keeps the table narrow. All of them are in the JSON.
  return `INVALID: ${gate.failures[0]}`
}

function signedPercent(fraction: number): string {
  const percent = Math.round(fraction * 100)
  return `${percent < 0 ? '−' : percent > 0 ? '+' : ''}${Math.abs(percent)} %`
}

export function rateTable({ rates, quick }: Results): Table {
  return {
    kind: 'table',
    title: 'How many events a second one stream carries',
    columns: [
      left('scenario'),
      left('executor'),
      right('median', 'k events/s'),
      right('least'),
      right('most'),
      right('generator', '% busy'),
      left('verdict'),
    ],
    rows: rates.map((row) => [
      row.scenario,
      row.executor,
      Math.round(row.eventsPerSecond / 1_000),
      Math.round(Math.min(...row.streams) / 1_000),
      Math.round(Math.max(...row.streams) / 1_000),
      Math.round(row.gate.utilisation * 100),
      quick ? 'counts agree' : row.gate.failures.length > 0 ? invalid(row.gate) : 'ok',
    ]),
    notes: [
      `One stream of 58-byte events: events ÷ time to the last one, median of ${rates[0]?.streams.length} streams. All sent were received.`,
    ],
  }
}

export function heldTable({ held, quick }: Pick<Results, 'held' | 'quick'>): Table {
  return {
    kind: 'table',
    title: 'Open streams with an event a second each, and new clients beside them',
    columns: [
      left('executor'),
      right('open streams'),
      right('events', '1/s'),
      right('TTFB p50', 'ms'),
      right('p99', 'ms'),
      right('max', 'ms'),
      right('event late p50', 'ms'),
      right('p99', 'ms'),
      right("server's loop"),
      right('main CPU', 'µs/event'),
      right('RSS', 'MB'),
      right("generator's loop"),
      left('verdict'),
    ],
    rows: held.rows.map((row) => {
      const { executor, streams, received, firstByteMs, latencyMs, utilisation, gate, bends } = row
      const { p50, p99, max } = firstByteMs
      const failure = gate.failures[0]
      return [
        executor,
        streams,
        received,
        p50,
        p99,
        max,
        latencyMs?.p50,
        latencyMs?.p99,
        utilisation,
        streams === 0 ? undefined : row.mainCpuUs,
        row.rssBytes / 1e6,
        gate.utilisation,
        quick
          ? 'counts agree'
          : failure !== undefined
            ? `INVALID: generator, ${failure}`
            : bends.length > 0
              ? `missed: ${bends.join(', ')}`
              : 'ok',
      ]
    }),
    notes: [
      'TTFB of 50 new clients a second on an inline route; late: from when an event was due until its receipt. In the end all streams were ended by the server, and events received were events sent.',
      'The loops: share of time in which they were not waiting, 0 to 1. Main CPU holds what the new clients cost.',
      ...(quick ? [] : held.limits).map(
        ({ executor, held: most, why }) =>
          `${executor}: ${most.toLocaleString('en')} held; not more, since ${why}.`,
      ),
    ],
  }
}

export function encodeTable({ encode }: Results): Table {
  const ours = new Map(
    encode.filter(({ encoder }) => encoder === 'headfirst').map((row) => [row.event, row.eventsPerSecond]),
  )
  return {
    kind: 'table',
    title: 'How fast events become text',
    columns: [
      left('encoder'),
      left('event'),
      right('mean', 'k events/s'),
      right('least'),
      right('most'),
      right('to ours'),
    ],
    rows: encode.map((row) => [
      row.encoder,
      row.event,
      Math.round(row.eventsPerSecond / 1_000),
      Math.round(row.range[0] / 1_000),
      Math.round(row.range[1] / 1_000),
      (row.eventsPerSecond / (ours.get(row.event) ?? NaN)).toFixed(2),
    ]),
    notes: ['text: 50 characters of data. full: event, id, and an object as data.'],
  }
}

export function handOffTable({ handOff }: Results): Table {
  return {
    kind: 'table',
    title: 'How long an idle executor takes to start a producer',
    columns: [left('executor'), right('p50', 'µs'), right('mean', 'µs'), right('calls')],
    rows: handOff.map((row) => [row.executor, row.p50Us, row.meanUs, row.samples]),
    notes: ['From the call of an idle executor until its producer runs.'],
  }
}
