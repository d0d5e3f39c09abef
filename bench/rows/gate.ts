/**
 * Whether a row is worth anything. A load generator that is late, too busy, or does not send what it should
 * measures itself; a server whose core went to some other program measures that. A row that fails is printed as
 * INVALID, nothing is concluded from it, and the bench exits with 3.
 */
import { LEAST_ACHIEVED, MOST_LAG_P99_MS, MOST_UTILISATION } from '../../profiler/load/gate.ts'
import { rank } from '../../profiler/samples/percentiles.ts'
import type { Recording } from '../load/recording.ts'

/**
 * CPU time of the server ÷ active time of its event loop. It is 1 or a little more where the loop's thread does
 * all the work, and less by whatever time that thread was ready to run and did not get a core.
 */
const LEAST_CORE_SHARE = 0.85

export interface Gate {
  sendLagP99Ms: number
  utilisation: number
  /** Undefined for a closed loop, which offers no rate. */
  achieved: number | undefined
  /** Undefined where producers run on threads of their own, which hide it. */
  coreShare: number | undefined
  /** What failed, in words; empty for a valid row. */
  failures: string[]
}

/**
 * @param schedule of an open loop
 * @param coreShare of a server that works on one thread: its CPU time ÷ its event loop's active time
 */
export function judge(recording: Recording, schedule?: Float64Array, coreShare?: number): Gate {
  const { utilisation, lagMs, sentForMs } = recording
  const sendLagP99Ms = rank(lagMs.toSorted(), 0.99)
  const achieved = schedule === undefined ? undefined : (schedule.at(-1) ?? 0) / sentForMs
  const failures: string[] = []
  if (schedule !== undefined && lagMs.length < schedule.length) failures.push('arrivals not sent')
  if (sendLagP99Ms > MOST_LAG_P99_MS) failures.push(`send lag p99 ${sendLagP99Ms.toFixed(1)} ms`)
  if (utilisation >= MOST_UTILISATION) failures.push(`generator ${percent(utilisation)} busy`)
  if (achieved !== undefined && achieved < LEAST_ACHIEVED) failures.push(`${percent(achieved)} of the load`)
  if (coreShare !== undefined) failures.push(...starved(coreShare))
  return { sendLagP99Ms, utilisation, achieved, coreShare, failures }
}

/** @param coreShare of a server that works on one thread: its CPU time ÷ its event loop's active time */
export function starved(coreShare: number): string[] {
  return coreShare < LEAST_CORE_SHARE ? [`server got ${percent(coreShare)} of its core`] : []
}

function percent(fraction: number): string {
  return `${Math.round(fraction * 100)} %`
}
