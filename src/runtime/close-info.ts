import type { CloseReason } from '../sse/stream.ts'

/** How one stream went, once it is over. */
export interface CloseInfo {
  reason: CloseReason
  /** What the producer threw, what its thread died of, or which time limit struck. */
  error?: unknown
  /** The executor's name. */
  executor: string
  /** Events taken from the producer. */
  events: number
  /** Bytes of the body taken, before compression and without HTTP's own framing. */
  bytes: number
  /** Events that were taken and then dropped for a slow client. */
  dropped: number
  timings: Timings
}

/** In ms since `reply.sse()` was called; undefined where it did not come to it. */
export interface Timings {
  /** The executor had agreed. */
  admittedMs: number | undefined
  /** Status line and headers had been handed to the kernel. */
  headMs: number | undefined
  /** The producer was started. */
  startedMs: number | undefined
  /** The first event was taken on the server's thread. */
  firstEventMs: number | undefined
  closedMs: number
}
