/** The summary: what was found, in sentences. */
import type { Findings } from '../findings/findings.ts'
import { HEAD_WITHIN_MS, type Held } from '../load/holding.ts'
import { OUTCOMES, type Measurement, type Plan } from '../plan.ts'
import { numberText } from '../report/cells.ts'
import { validity } from '../verdict/validity.ts'
import { capacityWords } from './capacity.ts'
import { comparisonWords } from './comparison.ts'
import { generatorsOf } from './generator.ts'
import { count, ms, share } from './quantities.ts'
import { serverWords } from './server.ts'
import { failureDetail } from './streams.ts'
import { thresholdWords } from './thresholds.ts'

export function summary(findings: Findings): string {
  const { measurement, plan, capacity, judged, compared, server, held } = findings
  const words: string[] = []
  if (findings.interrupted) words.push('Interrupted: this is what there was so far.')
  if (capacity !== undefined) words.push(capacityWords(capacity))
  if (measurement !== undefined && capacity !== undefined && capacity.highest === undefined) {
    words.push(...failureWords(measurement))
  }
  if (measurement !== undefined && capacity === undefined) words.push(...measurementWords(measurement, plan))
  if (held !== undefined) words.push(heldWords(held, measurement !== undefined))
  if (judged.length > 0) words.push(thresholdWords(judged))
  const doubt = compared === undefined ? undefined : comparisonWords(compared)
  if (doubt !== undefined) words.push(doubt)
  if (server !== undefined) words.push(...serverWords(server))
  return words.join('\n')
}

function heldWords({ open, lost, detail, untried }: Held, isBesideOthers: boolean): string {
  const words = [`${isBesideOthers ? 'Beside them ' : ''}${count(open)} streams were held open.`]
  if (lost > 0) words.push(`${count(lost)} were lost (${detail}).`)
  if (untried > 0) {
    words.push(`The other ${count(untried)} were not tried, since no head came for ${ms(HEAD_WITHIN_MS)}.`)
  }
  return words.join(' ')
}

function measurementWords(measurement: Measurement, { load, end }: Plan): string[] {
  const { arrivals, outcomes } = measurement
  const { failures, remedy } = validity(measurement, load.closed !== undefined)
  const good = outcomes.good ?? 0
  const seconds = numberText(measurement.windowMs / 1_000)
  const by = measurement.generators === 1 ? '' : ` by ${generatorsOf(measurement)}`
  const words = [
    load.closed === undefined
      ? `${numberText(load.rate ?? 0)} streams were begun per second for ${seconds} s${by}: ${count(arrivals)}, of which ${count(good)} were good (${share(good / arrivals)}).`
      : `Closed loop: ${load.closed === 1 ? '1 client' : `${count(load.closed)} clients`}, one stream after another, for ${seconds} s${by}: ${count(arrivals)} streams, of which ${count(good)} were good (${share(good / arrivals)}). Clients that wait for the server do not come while it stalls, so that these times say less than those of an open loop (--rate).`,
  ]
  if (good > 0) words.push(waitWords(measurement))
  words.push(...failureWords(measurement))
  if (
    (outcomes.timeout ?? 0) > 0 &&
    measurement.events > 0 &&
    end.events === undefined &&
    end.forMs === undefined
  ) {
    words.push(
      `Streams with events ran into the time limit of ${ms(end.timeoutMs)}: if they do not end by themselves, say when to leave, with --events N or --for 5s.`,
    )
  }
  if (failures.length > 0) {
    words.push(`INVALID: ${failures.join('; ')}. Conclude nothing from it. ${remedy}`.trimEnd())
  }
  return words
}

/** A percentile among failures is no time. */
function waitWords({ ttfb, ttfe }: Measurement): string {
  const [p, of] =
    ttfb.p99 === undefined ? (['p90', 'one in ten'] as const) : (['p99', 'one in a hundred'] as const)
  if (ttfe.p50 === Infinity) return 'At least half of the streams failed.'
  const half = `Half of the clients had the first byte within ${ms(ttfb.p50)} and the first event within ${ms(ttfe.p50)}`
  return ttfe[p] === Infinity
    ? `${half}; ${of} failed.`
    : `${half}; ${of} waited longer than ${ms(ttfb[p])} for the byte, or ${ms(ttfe[p])} for the event.`
}

/** Which streams failed, and why; empty where none did. */
function failureWords(measurement: Measurement): string[] {
  const { outcomes } = measurement
  const failed = OUTCOMES.filter((outcome) => outcome !== 'good' && (outcomes[outcome] ?? 0) > 0)
  if (failed.length === 0) return []
  const classes = failed.map((outcome) => {
    const detail = failureDetail(outcome, measurement)
    return `${count(outcomes[outcome] ?? 0)} ${outcome}${detail === '' ? '' : ` (${detail})`}`
  })
  return [`Failed: ${classes.join(', ')}. They count as slower than every other stream.`]
}
