import type { Comparison, RoundsScenario } from './rounds.ts'

/** Streams that are open and send nothing: what each of them takes of memory. */
export interface IdleStreamsScenario extends RoundsScenario {
  kind: 'idle-streams'
  /** How many are open when memory is measured, ascending. */
  steps: readonly number[]
  quickSteps: readonly number[]
  comparisons: readonly Comparison[]
}

export const IDLE_STREAMS: IdleStreamsScenario = {
  kind: 'idle-streams',
  name: 'idle-streams',
  steps: [1_000, 2_000, 3_000, 4_000, 5_000],
  quickSteps: [5, 10],
  rounds: 3,
  quick: true,
  comparisons: [
    { subject: 'inline', baseline: 'node:http', goal: { is: 'at most', ratio: 1.5 } },
    { subject: 'workers', baseline: 'node:http', goal: undefined },
    { subject: 'bare fastify', baseline: 'node:http', goal: undefined },
  ],
}
