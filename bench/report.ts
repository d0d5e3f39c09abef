/** Results as a user reads them: tables that can be pasted, and a few sentences. */
import { styleText } from 'node:util'
import type { BlockRow } from './block-row.ts'
import { conclusions, PROMISED_TO_IDLE, type Conclusion } from './conclusions.ts'
import { figureTable } from './figures/figure-table.ts'
import type { Gate } from './gate.ts'
import type { Percentiles } from './percentiles.ts'
import { failedStreams, invalidRows, type Results } from './results.ts'
import { left, right, table } from './table.ts'

/**
 * Beyond it, measurement and theory disagree. It is looked at in overload only: below capacity the waits are so
 * short that much of them is what the machine does besides.
 */
const MOST_OFF_THEORY = 0.2

/** @param colours whether the reader is a terminal that wants them */
export function report(results: Results, colours: boolean): string {
  const paint: Paint = (style, text) => (colours ? styleText(style, text, { validateStream: false }) : text)
  const { environment: machine, seed, blocks, rates, encode, handOff, figures } = results
  const parts = [
    `headfirst ${machine.headfirst}, Node ${machine.node}, ${machine.cores} × ${machine.cpu}, ${machine.platform}, seed ${seed}`,
  ]
  if (blocks.length > 0) parts.push(blockTable(results, paint))
  if (rates.length > 0) parts.push(rateTable(results, paint))
  if (encode.length > 0) parts.push(encodeTable(results))
  if (handOff.length > 0) parts.push(handOffTable(results))
  if (figures.length > 0) parts.push(figureTable(results, paint))
  parts.push(closing(results, paint))
  return `${parts.join('\n\n')}\n`
}

type Paint = (style: 'red' | 'yellow' | 'green', text: string) => string

function blockTable({ blocks, serviceMs, quick }: Results, paint: Paint): string {
  const columns = [
    left('scenario'),
    left('executor'),
    right('load'),
    right('TTFB p50'),
    right('p99'),
    right('max'),
    right('TTFE p50'),
    right('p99'),
    right('max'),
    right('TTFB by theory'),
    right('off'),
    left('errors'),
    left('verdict'),
  ]
  const rows = blocks.map((row) => [
    row.scenario,
    row.executor,
    `${row.load}× ${perSecond(row.perSecond)}`,
    ...times(row.firstByteMs),
    ...times(row.firstEventMs),
    ...theoryCells(row),
    errors(row),
    verdict(row, quick, paint),
  ])
  const services = Object.entries(serviceMs).map(([name, ms]) => `${ms.toFixed(2)} ms for ${name}`)
  return `${table(columns, rows)}

All times in ms from the intended start of a client, in an open loop: TTFB to the first byte of the status line,
TTFE to the first event. No p99 of fewer than 1,000 samples; a p90 stands there. Errors count as slowest.
Load: clients per second × service time S of one stream on one thread (${services.join(', ')}).
Theory: one queue, W' = max(0, W + S − A) over the same arrivals, with S from the row's own server.`
}

function times({ p50, p90, p99, max }: Percentiles): string[] {
  return [
    milliseconds(p50),
    p99 === undefined ? `p90: ${milliseconds(p90)}` : milliseconds(p99),
    milliseconds(max),
  ]
}

function milliseconds(ms: number): string {
  if (!Number.isFinite(ms)) return 'failed'
  return ms < 100 ? ms.toFixed(1) : Math.round(ms).toLocaleString('en')
}

function perSecond(rate: number): string {
  return `${rate < 100 ? rate.toFixed(1) : Math.round(rate)}/s`
}

function errors({ errors: counts, arrivals }: BlockRow): string {
  const listed = Object.entries(counts).map(([name, count]) => `${count} ${name}`)
  return listed.length === 0 ? '0' : `${listed.join(', ')} of ${arrivals}`
}

function verdict({ gate, load, theory, errors: counts }: BlockRow, quick: boolean, paint: Paint): string {
  if (Object.keys(counts).length > 0) return paint('red', 'errors')
  if (quick) return 'counts agree'
  if (gate.failures.length > 0) return invalid(gate, paint)
  if (theory === undefined || load <= 1) return paint('green', 'ok')
  const off = Math.max(Math.abs(theory.offAtP50), Math.abs(theory.offAtTail))
  return off > MOST_OFF_THEORY ? paint('yellow', 'off theory') : paint('green', 'ok')
}

function theoryCells({ theory }: BlockRow): string[] {
  if (theory === undefined) return ['', '']
  const { firstByteMs, offAtP50, offAtTail } = theory
  return [times(firstByteMs).slice(0, 2).join(' / '), [offAtP50, offAtTail].map(signedPercent).join(' / ')]
}

function invalid(gate: Gate, paint: Paint): string {
  // One reason is enough, and keeps the table narrow. All of them are in the JSON.
  return paint('red', `INVALID: ${gate.failures[0]}`)
}

function signedPercent(fraction: number): string {
  const percent = Math.round(fraction * 100)
  return `${percent < 0 ? '−' : percent > 0 ? '+' : ''}${Math.abs(percent)} %`
}

function rateTable({ rates, quick }: Results, paint: Paint): string {
  const columns = [
    left('scenario'),
    left('executor'),
    right('events/s'),
    right('least'),
    right('most'),
    right('generator'),
    left('verdict'),
  ]
  const rows = rates.map((row) => [
    row.scenario,
    row.executor,
    thousands(row.eventsPerSecond),
    thousands(Math.min(...row.streams)),
    thousands(Math.max(...row.streams)),
    `${Math.round(row.gate.utilisation * 100)} % busy`,
    quick ? 'counts agree' : row.gate.failures.length > 0 ? invalid(row.gate, paint) : paint('green', 'ok'),
  ])
  return `${table(columns, rows)}

One stream of 58-byte events: events ÷ time to the last one, median of ${rates[0]?.streams.length} streams. All sent were received.`
}

function encodeTable({ encode }: Results): string {
  const ours = new Map(
    encode.filter(({ encoder }) => encoder === 'headfirst').map((row) => [row.event, row.eventsPerSecond]),
  )
  const columns = [
    left('encode'),
    left('event'),
    right('events/s'),
    right('least'),
    right('most'),
    right('to ours'),
  ]
  const rows = encode.map((row) => [
    row.encoder,
    row.event,
    thousands(row.eventsPerSecond),
    thousands(row.range[0]),
    thousands(row.range[1]),
    (row.eventsPerSecond / (ours.get(row.event) ?? NaN)).toFixed(2),
  ])
  return table(columns, rows)
}

function handOffTable({ handOff }: Results): string {
  const columns = [left('hand-off'), right('p50'), right('mean'), right('calls')]
  const rows = handOff.map((row) => [
    row.executor,
    microseconds(row.p50Us),
    microseconds(row.meanUs),
    row.samples.toLocaleString('en'),
  ])
  return `${table(columns, rows)}

From the call of an idle executor until its producer runs.`
}

function microseconds(us: number): string {
  return `${us < 10 ? us.toFixed(1) : Math.round(us).toLocaleString('en')} µs`
}

function thousands(rate: number): string {
  return `${Math.round(rate / 1_000).toLocaleString('en')} k`
}

function closing(results: Results, paint: Paint): string {
  const sentences = results.interrupted ? ['Interrupted: the results are partial.'] : []
  const failed = failedStreams(results)
  if (failed > 0) sentences.push(paint('red', `${failed} streams have failed.`))
  if (results.quick) {
    sentences.push(`A quick run, which says nothing about speed.${failed > 0 ? '' : ' Every count agrees.'}`)
    return sentences.join('\n')
  }
  const found = conclusions(results)
  for (const scenario of new Set(found.filter(({ load }) => load > 1).map((one) => one.scenario))) {
    sentences.push(...overload(found.filter((one) => one.scenario === scenario)))
  }
  const invalidCount = invalidRows(results).length
  if (invalidCount > 0) {
    sentences.push(
      paint(
        'red',
        `${invalidCount} of ${results.blocks.length + results.rates.length + results.figures.length} rows are INVALID: something else kept the load generator or the server from its core. Nothing is concluded from them: stop what else runs here, and repeat.`,
      ),
    )
  } else if (results.blocks.length + results.rates.length > 0) {
    sentences.push(
      'All rows are valid: the load generator was on time and not busy, and the server had its core.',
    )
  }
  return sentences.join('\n')
}

function overload(found: readonly Conclusion[]): string[] {
  const of = (executor: string): Conclusion | undefined => found.find((one) => one.executor === executor)
  const sentences: string[] = []
  const workers = of('workers')
  if (workers?.toIdle !== undefined) {
    const kept = workers.toIdle <= PROMISED_TO_IDLE ? 'kept' : 'missed'
    sentences.push(
      `At ${workers.load} times what one thread can do, the first byte's p99 on workers is ${milliseconds(workers.firstByteP99Ms)} ms: ${workers.toIdle.toFixed(1)} times that of a server with nothing to compute (at most ${PROMISED_TO_IDLE} is promised: ${kept}).`,
    )
  }
  const inline = of('inline')
  if (inline?.toTheory !== undefined) {
    sentences.push(
      `At ${inline.load} times what one thread can do, the first byte's p99 inline is ${milliseconds(inline.firstByteP99Ms)} ms, ${inline.toTheory.toFixed(2)} times what the theory of a single queue says: everybody waits for all that came before.`,
    )
  }
  return sentences
}
