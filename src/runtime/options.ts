/** Route options, as users read them in their editor. resolve-options.ts checks them and fills in the defaults. */
import type { DropPolicy } from '../sse/backlog.ts'
import type { ContentCoding } from '../sse/compression.ts'
import type { Serializer } from '../sse/event.ts'
import type { FlushMode } from '../sse/response-sink.ts'
import type { EventStream } from '../sse/stream.ts'
import type { CloseInfo } from './close-info.ts'
import type { ExecutorName } from './executor-name.ts'

/** Options of one route, as `sse: { … }`; in the plugin's options they are the defaults of all routes. */
export interface RouteOptions<Request = unknown> {
  /**
   * Where producers run: a name from the plugin's `executors`, or a built-in one.
   *
   * @default 'inline'
   */
  executor?: ExecutorName
  /**
   * `event`: an event is handed to the kernel before `send()` returns. `tick`: what one turn of the event loop sends
   * leaves in one write at its end.
   *
   * @default 'event'
   */
  flush?: FlushMode
  /**
   * A comment is sent after this long without anything else, in ms. 0 turns it off.
   *
   * @default 15000
   */
  heartbeatMs?: number
  /**
   * How long the client waits before it reconnects, in ms, from 0; sent first. With `{ min, max }` each stream draws its
   * own whole number between the two (both included), so that clients that are cut together do not come back together.
   *
   * @default undefined (not sent)
   */
  retryMs?: number | RetryRange
  /**
   * Bytes that may wait for a slow client before `send()` answers false, from 0.
   *
   * @default 65536
   */
  highWaterMark?: number
  /**
   * Bytes that may wait for a slow client before `overflow` acts: from 1, at least `highWaterMark`.
   *
   * @default 1048576
   */
  maxBuffered?: number
  /**
   * What happens over `maxBuffered`.
   *
   * - `close`: the stream is closed, as `overflow`
   * - `drop-oldest`: the oldest events that wait are dropped
   * - `{ latest: 'event' }`, `{ latest: 'id' }`: until the client has caught up, only the newest event of each name
   *   (or id) waits; if that is still too much, the oldest are dropped
   * - `block`: `send()` waits in place, on executors with threads to spare
   *
   * @default 'close'
   */
  overflow?: Overflow
  /**
   * Compresses the body for clients that accept it (`Accept-Encoding`), each event at once. `true` offers what this
   * Node can make of zstd, br and gzip, in this order; `{ encodings }` others, best first.
   *
   * @default false
   */
  compress?: boolean | { readonly encodings: readonly ContentCoding[] }
  /**
   * Time limits of a stream. A limit that is absent here is that of the plugin's options.
   *
   * @default no limits
   */
  timeouts?: Timeouts
  /**
   * `strict`: a request whose `Accept` header allows no `text/event-stream` is answered with 406, and the producer
   * never runs (RFC 9110, 12.5.1). `ignore`: the handler decides by something else, such as the request's body.
   *
   * @default 'strict'
   */
  accept?: 'strict' | 'ignore'
  /** Adds plain values to `stream.context`, which producers see on every thread. It returns an object at once. */
  context?: (request: Request) => Record<string, unknown>
  /**
   * Turns `data` that is not a string into one. For closures only: a portable producer brings its own, so that it sends
   * the same bytes on every executor.
   *
   * @default JSON.stringify
   */
  serializer?: Serializer
  /**
   * What a client gets when the executor refuses it. `status`: 503 with `Retry-After`, as an error of the route.
   * `retry`: 200 with a jittered `retry` and no event, because a browser's `EventSource` never reconnects after another
   * status.
   *
   * @default 'status'
   */
  refusal?: 'status' | 'retry'
  /**
   * Streams that one client may have open at a time, on all routes together, from 1. A request over it is refused as
   * `refusal` says, with 429 in place of 503.
   *
   * @default any number
   */
  maxStreamsPerClient?: number
  /**
   * The client of a request, for `maxStreamsPerClient`: any text, such as a user's id; undefined for one without a
   * limit.
   *
   * @default its address (`request.ip`), of IPv6 the first 64 bits
   */
  clientKey?: (request: Request) => string | undefined
  /** Called when the head has left, before the producer starts. What it throws closes the stream as `error`. */
  onOpen?: (stream: EventStream, request: Request) => void
  /** Called once when the stream is over, with the reason. Not called for streams whose head never left. */
  onClose?: (info: CloseInfo, request: Request) => void
  /**
   * Called after the producer has thrown, with the stream still open: what it sends is the last that the client gets.
   * Without it the client gets nothing more.
   */
  onError?: (error: unknown, stream: EventStream, request: Request) => void
}

/** What happens when more waits for a client than may. */
export type Overflow = 'close' | 'block' | DropPolicy

/** Bounds of a random `retry`, in ms: whole numbers from 0, `min` at most `max`. */
export interface RetryRange {
  min: number
  max: number
}

/**
 * Time limits of a stream, in ms: whole numbers from 1 to 2147483647, or 0 for none.
 * The first that is passed closes the stream as `timeout`, with a {@link StreamTimeoutError} as `info.error`; what was
 * taken so far is still delivered, within a second. Comments and heartbeats are no events.
 */
export interface Timeouts {
  /**
   * From the head to the first event. Waiting for a thread counts. Acts up to a quarter late.
   *
   * @default 0
   */
  firstEventMs?: number
  /**
   * From one event to the next, so only after the first. Acts up to a quarter late.
   *
   * @default 0
   */
  idleMs?: number
  /**
   * From the head until the whole response was handed to the client. A client that is too slow for the rest of a stream
   * that has ended is cut.
   *
   * @default 0
   */
  totalMs?: number
}
