/**
 * Connections that are done with are closed a little later, and a few at a time. To close one takes as long as to read
 * several events: where many streams end at once, the events of the others would wait for it, and count as late.
 */
import { nowMs } from '../clock.ts'

const AFTER_MS = 20
/** In each turn of the loop, so many of those whose time has come: an eighth, so that they never pile up. */
const FEWEST_AT_A_TIME = 4
const SHARE_AT_A_TIME = 1 / 8

interface Departure {
  close: () => void
  dueMs: number
}

/** In the order in which they are due. */
const departures: Departure[] = []
let isUnderWay = false

/** @param close called once, some 20 ms from now */
export function depart(close: () => void): void {
  departures.push({ close, dueMs: nowMs() + AFTER_MS })
  if (isUnderWay) return
  isUnderWay = true
  setTimeout(closeSome, AFTER_MS)
}

function closeSome(): void {
  const now = nowMs()
  const most = Math.max(FEWEST_AT_A_TIME, departures.length * SHARE_AT_A_TIME)
  for (let closed = 0; closed < most && isDue(now); closed++) departures.shift()?.close()
  const next = departures[0]
  isUnderWay = next !== undefined
  if (next === undefined) return
  if (isDue(now)) setImmediate(closeSome)
  else setTimeout(closeSome, Math.ceil(next.dueMs - now))
}

const isDue = (now: number): boolean => (departures[0]?.dueMs ?? Infinity) <= now
