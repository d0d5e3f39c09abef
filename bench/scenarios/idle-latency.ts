import type { Goal, RoundsScenario } from './rounds.ts'

/** One event now and then, with nothing else to do. */
export interface IdleLatencyScenario extends RoundsScenario {
  kind: 'idle-latency'
  events: number
  quickEvents: number
  everyMs: number
  goal: Goal
}

export const IDLE_LATENCY: IdleLatencyScenario = {
  kind: 'idle-latency',
  name: 'idle-latency',
  events: 1_000,
  quickEvents: 10,
  everyMs: 20,
  rounds: 3,
  quick: true,
  goal: { is: 'at most', ratio: 2 },
}
