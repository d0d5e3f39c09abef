import type { Coding } from '../load/decoded-body.ts'
import type { BurstPlan } from '../servers/payload.ts'
import type { Goal, RhythmLoad, RoundsScenario } from './rounds.ts'

/** Streams in each content coding and in none. */
export interface CompressionScenario extends RoundsScenario {
  kind: 'compression'
  codings: readonly Coding[]
  load: BurstLoad | RhythmLoad
  /** CPU of the server's thread, in a coding to without, of streams that are compressed on a worker thread. */
  goal: Goal | undefined
}

/** One client takes one stream as fast as its events come. */
interface BurstLoad {
  is: 'burst'
  data: BurstPlan['data']
  eventBytes: number
  /** Of each stream: so many that it takes a second or more. */
  events: { inline: number; workers: number; coded: number }
  quickEvents: number
}

const COMMON = {
  kind: 'compression',
  codings: ['gzip', 'br', 'zstd'],
  rounds: 4,
  quick: true,
} as const

export const COMPRESSION: readonly CompressionScenario[] = [
  {
    ...COMMON,
    name: 'compression@rhythm',
    load: { is: 'rhythm', streams: 200, quickStreams: 5, everyMs: 40, forMs: 4_000, quickForMs: 100 },
    goal: { is: 'at most', ratio: 1.1 },
  },
  {
    ...COMMON,
    name: 'compression@json',
    load: {
      is: 'burst',
      data: 'object',
      eventBytes: 58,
      events: { inline: 200_000, workers: 2_000_000, coded: 100_000 },
      quickEvents: 1_000,
    },
    goal: undefined,
  },
  {
    ...COMMON,
    name: 'compression@html',
    load: {
      is: 'burst',
      data: 'html',
      eventBytes: 2_048,
      events: { inline: 100_000, workers: 200_000, coded: 20_000 },
      quickEvents: 200,
    },
    goal: undefined,
  },
]
