/** What the generators of the load do, and what they answer: plain data, to cross between processes. */

import type { Part } from './parts.ts'

/** Where the streams are. */
export interface Target {
  /** Undefined for a unix socket. */
  host: string | undefined
  port: number | undefined
  /** A unix socket's path. */
  socketPath: string | undefined
  tls: TlsPlan | undefined
  /** The request's bytes, but for its `Connection` field. */
  head: string
  body: Uint8Array
}

/** Which certificates of servers are trusted. */
export interface Trust {
  /** Certificates that are trusted, in PEM; undefined for those of Node. */
  ca: string | undefined
  /** The server's certificate is not checked. */
  insecure: boolean
}

interface TlsPlan extends Trust {
  servername: string
}

/** When a stream is over. */
export interface End {
  /** After this many events: the profiler ends it. */
  events: number | undefined
  /** This long after its intended start: the profiler ends it. */
  forMs: number | undefined
  /** A stream that is not over this long after its intended start has failed. */
  timeoutMs: number
}

export interface Load {
  /** Streams per second that are begun, whatever becomes of those before; undefined for a closed loop. */
  rate: number | undefined
  arrivals: 'poisson' | 'uniform'
  seed: number
  /** Streams at a time, each begun when one is over; undefined for an open loop. */
  closed: number | undefined
  durationMs: number
  /** Streams that are begun in this time before do not count. */
  warmupMs: number
  connections: 'new' | 'keep-alive'
}

/** Where an event has the time at which it was sent. */
export interface Stamp {
  /** Keys that lead to it in the event's JSON; none where the data is the number itself. */
  path: readonly string[]
  /** Of the number: `ms` since 1970, as `Date.now()`; `ns` of the host's monotonic clock, as `process.hrtime.bigint()`. */
  unit: 'ms' | 'ns'
}

/** Limits of a good stream, in ms from its intended start; of `gap`, its longest time between two events. */
export type Limits = Partial<Record<'ttfb' | 'ttfe' | 'gap' | 'total', number>>

export interface Plan {
  target: Target
  end: End
  load: Load
  stamp: Stamp | undefined
  slo: Limits | undefined
}

/** The part of one process. */
export interface PartPlan {
  plan: Plan
  part: Part
}

/**
 * How a stream went. `good`: complete, or ended by the profiler after `events` or `for`. The others are errors, and count
 * among the scheduled arrivals:
 *
 * - `refused`: no connection was made (refused, no such host or socket)
 * - `tls`: the handshake failed
 * - `reset`: the connection broke. Where that comes along with the last bytes, libuv shows it as an end: `truncated`
 * - `timeout`: not over in time
 * - `status`: not a 200
 * - `not-event-stream`: a 200 of another content type
 * - `content-encoding`: compressed, though the request does not accept it
 * - `malformed`: not HTTP/1.x
 * - `truncated`: closed before its end, or before its last event
 * - `no-event`: complete, without an event
 * - `local`: this machine could not open one more connection
 */
export const OUTCOMES = [
  'good',
  'refused',
  'tls',
  'reset',
  'timeout',
  'status',
  'not-event-stream',
  'content-encoding',
  'malformed',
  'truncated',
  'no-event',
  'local',
] as const

export type Outcome = (typeof OUTCOMES)[number]

/**
 * A metric, in ms: percentiles by rank. Those that the samples do not support are undefined; Infinity where streams
 * have failed. Without samples all are NaN.
 */
export interface Summary {
  /** How many there are, those of failed streams included. */
  samples: number
  /** Samples of failed streams: slower than all others. */
  failed: number
  /** Of those that did not fail, as `mean`; NaN where all did. */
  min: number
  mean: number
  p50: number
  p90: number
  p95: number
  /** Undefined below 1,000 samples. */
  p99: number | undefined
  /** Undefined below 10,000 samples. */
  p999: number | undefined
  max: number
  /** For the curve: percentile from 0 to 1, and ms. Only finite ones. */
  curve: [percentile: number, ms: number][]
  /** Of each tenth of the run that has samples: how much it drifted, and what it is compared with another run by. */
  tenths: { p50: number[]; p90: number[]; recorded: RecordedTenth[] }
}

/** The samples of a tenth of a run. */
export interface RecordedTenth {
  /** Those that did not fail, in whole microseconds: an HDR histogram (version 2, compressed, in base64). */
  histogram: string
  failed: number
}

/** A stream that was watched closely, in ms since its intended start. */
export interface Sampled {
  arrival: number
  /** When it was to start, since the start of the run. */
  atMs: number
  outcome: Outcome
  lagMs: number
  connectedMs: number | undefined
  firstByteMs: number | undefined
  firstEventMs: number | undefined
  overMs: number
  eventsMs: number[]
}

/** How a run went so far. */
export interface Standing {
  begun: number
  open: number
  good: number
  failed: number
  events: number
}

/** What clients saw of one run. The metrics are in ms: see {@link Summary}. */
export interface Measurement {
  /** Streams that count: those that came to their end, but for those of the warm-up. */
  arrivals: number
  /** Streams that were to be begun after the warm-up. */
  scheduled: number
  /** Processes that made the load. */
  generators: number
  /** When the first stream was to begin, in ms on the host's monotonic clock. */
  startMs: number
  /** How many streams went so; an outcome that none had is absent. */
  outcomes: Partial<Record<Outcome, number>>
  /** What the error of the first failed stream was, by outcome. */
  details: Partial<Record<Outcome, string>>
  /** Statuses other than 200, and how many streams had them. */
  statuses: Record<string, number>
  /** Streams that the profiler has ended, after `events` or `for`. */
  endedByProfiler: number
  /** Good streams within the limits of `slo`; without it all good ones. */
  withinSlo: number
  /** Events of the streams that count. */
  events: number
  /** Bytes of their bodies. */
  bytes: number
  /** The time in which the streams that count were to begin, in ms. */
  windowMs: number
  /** From then until the last of their events, in ms: at least `windowMs`. */
  receivedForMs: number
  /** First byte of the response − intended start. */
  ttfb: Summary
  /** First dispatched event − intended start. */
  ttfe: Summary
  /** End of the stream − intended start. */
  total: Summary
  /** Time between two events of a stream. */
  gap: Summary
  /** Receipt − the event's stamp; undefined without `stamp`. */
  latency: Summary | undefined
  /** Events without a stamp at its place. */
  unstamped: number
  /** The warm-up included. */
  connectionsOpened: number
  /** How late streams were begun. */
  lag: Summary
  /** The same at the 99th percentile, of however many; NaN of none. */
  lagP99Ms: number
  /** Of the busiest generator's event loop, from 0 to 1, without the time in which it only polled. */
  utilisation: number
  /** Share of time in which it polled for the next arrival and found nothing else to do, from 0 to 1. */
  polling: number
  /** From the start of the run, warm-up included, until the last stream was begun, in ms. */
  sentForMs: number
  /** From the start of the run until the last stream was to be begun, in ms. */
  lastIntendedMs: number
  /** TTFB over time: counts by column of time, then by row; `rows` are the bounds of the rows, in ms. */
  heat: { secondsPerColumn: number; rows: number[]; counts: number[][] }
  /** Of the generator's loop, over the run; where there are several, of the one that was busiest in that second. */
  busy: [seconds: number, share: number][]
  /** Some streams, spread over the run, and the slowest of the others. */
  sampled: Sampled[]
  /** It was ended from outside. */
  interrupted: boolean
}
