/** What the scenarios have in common that compare one contender with another. */
import type { Peer } from '../servers/peers.ts'

/**
 * A contender against a baseline: in alternating rounds, each with fresh processes. `naive` sends each event from a
 * thread in a message of its own; see `naive/executor.ts`.
 */
export interface RoundsScenario {
  name: string
  rounds: number
  /** Whether `--quick` tries it; else a scenario like it is tried. */
  quick: boolean
}

/** What a ratio should be. */
export interface Goal {
  is: 'at least' | 'at most'
  ratio: number
}

/** One against another; without a goal, for information. */
export interface Comparison {
  subject: 'inline' | 'inline tick' | 'workers' | Peer
  baseline: 'inline' | Peer
  goal: Goal | undefined
}

/** As many events with a coding as without: many streams with a slow rhythm, on one thread. */
export interface RhythmLoad {
  is: 'rhythm'
  streams: number
  quickStreams: number
  everyMs: number
  forMs: number
  quickForMs: number
}
