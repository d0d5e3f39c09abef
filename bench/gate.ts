/**
 * Whether a row is worth anything: a load generator that is late, too busy, or does not send what it should
 * measures itself. A row that fails is printed as INVALID, and the bench exits with 3.
 */
import type { Recording } from './generator.ts'
import { rank } from './percentiles.ts'

/**
 * How late the generator may open connections, at the 99th percentile: in ms, or as a share of the row's own
 * first byte at the tail where that is more. What it is late counts against the server, so that it can make
 * nothing look better; but it should not be what one sees.
 */
const MOST_LAG_P99_MS = 5
const MOST_LAG_SHARE = 0.02
/** Above it a loop's own queue shows in what it measures. */
const MOST_UTILISATION = 0.7
/** Achieved rate ÷ offered rate. */
const LEAST_ACHIEVED = 0.98

export interface Gate {
  sendLagP99Ms: number
  utilisation: number
  /** Undefined for a closed loop, which offers no rate. */
  achieved: number | undefined
  /** What failed, in words; empty for a valid row. */
  failures: string[]
}

/** @param schedule of an open loop */
export function judge(recording: Recording, schedule?: Float64Array): Gate {
  const sendLagP99Ms = rank(recording.lagMs.toSorted(), 0.99)
  const achieved = schedule === undefined ? undefined : (schedule.at(-1) ?? 0) / recording.sentForMs
  const { utilisation } = recording
  const firstByteP99Ms = rank(recording.firstByteMs.toSorted(), 0.99)
  // A tail of failures is no excuse.
  const mostLagMs = Math.max(
    MOST_LAG_P99_MS,
    Number.isFinite(firstByteP99Ms) ? firstByteP99Ms * MOST_LAG_SHARE : 0,
  )
  const failures: string[] = []
  if (schedule !== undefined && recording.lagMs.length < schedule.length) failures.push('arrivals not sent')
  if (sendLagP99Ms > mostLagMs) failures.push(`send lag p99 ${sendLagP99Ms.toFixed(1)} ms`)
  if (utilisation >= MOST_UTILISATION) failures.push(`generator ${Math.round(utilisation * 100)} % busy`)
  if (achieved !== undefined && achieved < LEAST_ACHIEVED) failures.push(`achieved ${achieved.toFixed(3)}`)
  return { sendLagP99Ms, utilisation, achieved, failures }
}
