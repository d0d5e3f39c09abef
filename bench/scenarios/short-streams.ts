import type { Comparison, RoundsScenario } from './rounds.ts'

/** Streams of one event each, as many as there can be. */
export interface ShortStreamsScenario extends RoundsScenario {
  kind: 'short-streams'
  streams: number
  quickStreams: number
  atATime: number
  comparisons: readonly Comparison[]
}

export const SHORT: ShortStreamsScenario = {
  kind: 'short-streams',
  name: 'short',
  streams: 10_000,
  quickStreams: 20,
  atATime: 32,
  rounds: 3,
  quick: true,
  comparisons: [{ subject: 'workers', baseline: 'inline', goal: undefined }],
}

export const OPEN_CLOSE: ShortStreamsScenario = {
  kind: 'short-streams',
  name: 'open-close',
  streams: 10_000,
  quickStreams: 20,
  atATime: 32,
  rounds: 4,
  quick: true,
  comparisons: [
    { subject: 'inline', baseline: 'node:http at once', goal: { is: 'at least', ratio: 0.75 } },
    { subject: 'inline tick', baseline: 'node:http', goal: { is: 'at least', ratio: 0.75 } },
    { subject: 'inline', baseline: 'node:http', goal: undefined },
    { subject: 'workers', baseline: 'node:http', goal: undefined },
    { subject: 'bare fastify', baseline: 'node:http', goal: undefined },
    { subject: 'fastify stream', baseline: 'node:http', goal: undefined },
  ],
}
