import { MOST_LAG_P99_MS } from './gate.ts'

/** How hard one generator had to work for a time. */
export interface Pressure {
  /** Of its event loop, from 0 to 1. */
  utilisation: number
  /** Streams that it has begun, and how late. */
  begun: number
  lagP99Ms: number
}

/** Below what the gate allows: what a generator has to do in the warm-up, it may have to do all the time, and more. */
const MOST_UTILISATION = 0.6
/** Of fewer streams the p99 is the latest one, by chance: the fault of a busy machine, and not of too few processes. */
const FEWEST_FOR_LAG = 100

/** Whether the load should have more processes. */
export function isTooMuch({ utilisation, begun, lagP99Ms }: Pressure): boolean {
  return utilisation > MOST_UTILISATION || (begun >= FEWEST_FOR_LAG && lagP99Ms > MOST_LAG_P99_MS)
}
