import type { Goal, RoundsScenario } from './rounds.ts'

/** Many streams with a slow rhythm, on one thread. */
export interface ManyStreamsScenario extends RoundsScenario {
  kind: 'many-streams'
  streams: number
  quickStreams: number
  everyMs: number
  /** How long the server is measured, with all streams open. */
  forMs: number
  quickForMs: number
  goal: Goal | undefined
}

export const MANY_STREAMS: ManyStreamsScenario = {
  kind: 'many-streams',
  name: 'many-streams',
  streams: 1_000,
  quickStreams: 20,
  everyMs: 1_000 / 15,
  forMs: 10_000,
  quickForMs: 100,
  rounds: 3,
  quick: true,
  goal: { is: 'at most', ratio: 1.15 },
}

/** 50 tokens a second, 200 of them. */
export const TOKENS: ManyStreamsScenario = {
  kind: 'many-streams',
  name: 'tokens',
  streams: 100,
  quickStreams: 5,
  everyMs: 20,
  forMs: 2_300,
  quickForMs: 100,
  rounds: 3,
  quick: false,
  goal: undefined,
}
