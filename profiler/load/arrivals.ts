import type { Load } from '../plan.ts'
import { poissonSchedule } from './schedule.ts'

/** How many streams an open loop begins; of a closed loop, how many it has at a time. */
export function arrivalsOf({ rate, warmupMs, durationMs, closed }: Load): number {
  return closed ?? Math.max(1, Math.round(((rate ?? 0) * (warmupMs + durationMs)) / 1_000))
}

/**
 * When all streams are to begin, in whichever process; nothing for a closed loop.
 *
 * @returns ms since the start, ascending
 */
export function scheduleOf(load: Load): Float64Array {
  const { rate, arrivals, seed } = load
  if (rate === undefined) return new Float64Array()
  const count = arrivalsOf(load)
  if (arrivals === 'uniform')
    return Float64Array.from({ length: count }, (_, index) => (index * 1_000) / rate)
  return poissonSchedule(count, rate, seed)
}
