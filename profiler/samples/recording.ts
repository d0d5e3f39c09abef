import type { LoopTime } from './loop-time.ts'
import type { Outcome } from '../plan.ts'
import type { RecordedStreams } from './sampled-streams.ts'
import type { RecordedSamples } from './samples.ts'

/** What each process measures, in ms. */
export const METRICS = ['ttfb', 'ttfe', 'total', 'gap', 'latency', 'lag'] as const

/** What several processes have in sum. See `Measurement`. */
export interface Counts {
  arrivals: number
  scheduled: number
  endedByProfiler: number
  withinSlo: number
  events: number
  bytes: number
  unstamped: number
  connectionsOpened: number
}

/**
 * What one process has recorded of its part of a run: plain data that can be put together with that of the others.
 * Nothing in it is summarised: the median of all does not follow from two medians.
 */
export interface Recording {
  counts: Counts
  outcomes: Partial<Record<Outcome, number>>
  details: Partial<Record<Outcome, string>>
  statuses: Record<string, number>
  samples: Record<(typeof METRICS)[number], RecordedSamples>
  heat: number[][]
  streams: RecordedStreams
  loop: LoopTime
  /** Utilisation of its loop, each second of the run: the time since its start, and the share. */
  busy: [ms: number, share: number][]
  /** Since the start of the run, as the two that follow; 0 where there were none. */
  lastEventMs: number
  /** When the last stream was begun, and when it was to be. */
  sentForMs: number
  lastIntendedMs: number
  interrupted: boolean
}
