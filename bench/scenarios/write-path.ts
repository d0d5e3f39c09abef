import type { Goal, RoundsScenario } from './rounds.ts'

/** One stream as fast as its events come: chunks that headfirst frames, and chunks that Node's response frames. */
export interface WritePathScenario extends RoundsScenario {
  kind: 'write-path'
  executor: 'inline' | 'workers'
  flush: 'event' | 'tick'
  /** Of each stream: so many that it takes a second or more. */
  events: number
  quickEvents: number
  goals: { eventsPerSecond: Goal; mainCpu: Goal | undefined }
}

const common = { kind: 'write-path', quickEvents: 3_000, rounds: 8 } as const

export const WRITE_PATH: readonly WritePathScenario[] = [
  {
    ...common,
    name: 'write-path@event',
    executor: 'inline',
    flush: 'event',
    events: 200_000,
    quick: true,
    goals: { eventsPerSecond: { is: 'at least', ratio: 2.2 }, mainCpu: undefined },
  },
  {
    ...common,
    name: 'write-path@tick',
    executor: 'inline',
    flush: 'tick',
    events: 3_000_000,
    quick: false,
    goals: { eventsPerSecond: { is: 'at least', ratio: 1.3 }, mainCpu: undefined },
  },
  {
    ...common,
    name: 'write-path@workers',
    executor: 'workers',
    flush: 'event',
    events: 2_000_000,
    quick: false,
    goals: { eventsPerSecond: { is: 'at least', ratio: 1 }, mainCpu: { is: 'at most', ratio: 1 } },
  },
]
