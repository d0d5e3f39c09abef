import type { Goal, RoundsScenario } from './rounds.ts'

/** More CPU-bound producers than the machine has cores for, in a pool, and a fast route beside it. */
export interface SaturatedScenario extends RoundsScenario {
  kind: 'saturated'
  blockMs: number
  /** Offered load, in times the capacity of all cores. */
  load: number
  arrivals: number
  quickArrivals: number
  besidePerSecond: number
  goal: Goal
}

export const SATURATED: SaturatedScenario = {
  kind: 'saturated',
  name: 'saturated',
  blockMs: 10,
  load: 1.2,
  arrivals: 2_000,
  quickArrivals: 10,
  besidePerSecond: 150,
  rounds: 3,
  quick: true,
  goal: { is: 'at most', ratio: 3 },
}
