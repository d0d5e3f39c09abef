import type { RoundsScenario } from './rounds.ts'

/** One event for all streams at a time. */
export interface FanOutScenario extends RoundsScenario {
  kind: 'fan-out'
  streams: number
  quickStreams: number
  everyMs: number
  /** How long the server is measured, with all streams open. */
  forMs: number
  quickForMs: number
}

export const FAN_OUT: readonly FanOutScenario[] = [1_000, 5_000].map((streams) => ({
  kind: 'fan-out',
  name: `fan-out@${streams}`,
  streams,
  quickStreams: 20,
  everyMs: 250,
  forMs: 6_000,
  quickForMs: 300,
  rounds: 6,
  quick: streams === 1_000,
}))
