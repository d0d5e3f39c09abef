import type { RunFacts } from '../report/run-facts.ts'
import type { Heard } from './mixed-load.ts'
import type { Count, Held } from './server.ts'
import type { Tally } from './tally.ts'

/** What was seen at one moment of the load. */
export interface Sample extends Held {
  /** Since the first client. */
  atSeconds: number
  /** Of the probes since the sample before, in ms. A p99 of few is the slowest of them. */
  ttfbP50Ms: number
  ttfbP99Ms: number
  generatorUtilisation: Heard['utilisation']
}

/** Everything that a soak has found, as far as it came. */
export interface SoakResults extends RunFacts {
  minutes: number
  /** Before the first client, when each route had had one. */
  before: Held | undefined
  samples: Sample[]
  firstByteMs: number[]
  /** How late probes were sent. */
  lagMs: number[]
  /** What came of the streams of a route: on the server, and at its clients. */
  counts: Record<string, Count>
  tallies: Record<string, Tally>
  killsMs: number[]
  /** When the last client had gone. */
  after: Held | undefined
  /** How long the server took to close, in ms. */
  closedAfterMs: number | undefined
}
