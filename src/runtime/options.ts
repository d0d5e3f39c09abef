/**
 * Route options: what they are, their defaults, and how they are checked, once, when a route is registered. Half of it
 * is what users read of them in their editor.
 */
import { HF_ERR_OPTION_INVALID, HF_ERR_OPTION_UNKNOWN } from '../errors.ts'
import type { DropPolicy } from '../sse/backlog.ts'
import { CONTENT_CODINGS, KNOWN_CODINGS, type ContentCoding } from '../sse/compression.ts'
import { show, type Serializer } from '../sse/event.ts'
import type { FlushMode } from '../sse/response-sink.ts'
import type { CloseReason, EventStream } from '../sse/stream.ts'
import type { ExecutorName } from './executor.ts'

/** Options of one route, as `sse: { … }`; in the plugin's options they are the defaults of all routes. */
export interface RouteOptions<Request = unknown> {
  /** Where producers run: a name from the plugin's `executors`, or a built-in one. Default `inline`. */
  executor?: ExecutorName
  /**
   * `event`: an event has been handed to the kernel when `send()` returns. `tick`: what one turn of the event
   * loop sends leaves in one write at its end. Default `event`.
   */
  flush?: FlushMode
  /** A comment is sent when nothing else was for this long, in ms. 0 turns it off. Default 15000. */
  heartbeatMs?: number
  /**
   * Sent first, to tell the client how long it waits before it reconnects, in ms, from 0. With `{ min, max }` each
   * stream draws its own whole number between the two (both included), so that clients that were cut together do not
   * come back together. Default: not sent.
   */
  retryMs?: number | RetryRange
  /** Bytes that may wait for a slow client before `send()` answers false. Default 65536. */
  highWaterMark?: number
  /** Bytes that may wait for a slow client before `overflow` acts. Default 1048576. */
  maxBuffered?: number
  /**
   * What happens over `maxBuffered`. Default `close`.
   *
   * - `close`: the stream is closed, as `overflow`
   * - `drop-oldest`: the oldest events that wait are dropped
   * - `{ latest: 'event' }`, `{ latest: 'id' }`: until the client has caught up, only the newest event of each name
   *   (or id) waits; if that is still too much, the oldest are dropped
   * - `block`: `send()` waits in place, on executors with threads to spare
   */
  overflow?: Overflow
  /**
   * Compresses the body for clients that accept it (`Accept-Encoding`), each event at once. `true` offers what
   * this Node can make of zstd, br and gzip, in this order; `{ encodings }` others, best first. Default false.
   */
  compress?: boolean | { readonly encodings: readonly ContentCoding[] }
  /** Time limits of a stream. A limit that is absent here is that of the plugin's options. Default: none. */
  timeouts?: Timeouts
  /**
   * `strict`: a request whose `Accept` header allows no `text/event-stream` is answered with 406, and the producer
   * never runs (RFC 9110, 12.5.1). `ignore`: the handler has decided by something else, as by the request's body.
   * Default `strict`.
   */
  accept?: 'strict' | 'ignore'
  /** Adds plain values to `stream.context`, which producers see on every thread. */
  context?: (request: Request) => Record<string, unknown>
  /**
   * Turns `data` that is not a string into one. Default `JSON.stringify`. For closures only: a portable
   * producer brings its own, so that it sends the same bytes on every executor.
   */
  serializer?: Serializer
  /**
   * What a client gets that the executor refuses. `status`: 503 with `Retry-After`, as an error of the route.
   * `retry`: 200 with a jittered `retry` and no event, because a browser's `EventSource` gives up for good on
   * any other status. Default `status`.
   */
  refusal?: 'status' | 'retry'
  /**
   * Streams that one client may have open at a time, on all routes together, from 1. Over it a request is refused as
   * `refusal` says, with 429 instead of 503. Default: any number.
   */
  maxStreamsPerClient?: number
  /**
   * Who a request's client is, for `maxStreamsPerClient`: any text, such as a user's id; undefined for one that is not
   * limited. Default: its address (`request.ip`), of IPv6 the first 64 bits.
   */
  clientKey?: (request: Request) => string | undefined
  /** Called when the head has left, before the producer starts. What it throws closes the stream as `error`. */
  onOpen?: (stream: EventStream, request: Request) => void
  /** Called once when the stream is over, with the reason. Not called for streams whose head never left. */
  onClose?: (info: CloseInfo, request: Request) => void
  /**
   * Called when the producer has thrown, with the stream still open: what it sends is the last the client gets.
   * Default: the client is told nothing.
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
 * Time limits of a stream, in ms: whole numbers from 1 to 2147483647, or 0 for none, which is the default of each.
 * The one that strikes closes the stream as `timeout`, with a {@link StreamTimeoutError} as `info.error`; what was
 * taken so far is still delivered, within a second. Comments and heartbeats are no events.
 */
export interface Timeouts {
  /** From the head to the first event. Waiting for a thread counts. Strikes up to a quarter late. */
  firstEventMs?: number
  /** From one event to the next, so only after the first. Strikes up to a quarter late. */
  idleMs?: number
  /**
   * From the head until the client was handed the whole response. A client that takes too long for the rest of a
   * stream that has ended is cut.
   */
  totalMs?: number
}

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

/** The options that have a default. */
type Defaulted =
  | 'executor'
  | 'flush'
  | 'heartbeatMs'
  | 'highWaterMark'
  | 'maxBuffered'
  | 'overflow'
  | 'compress'
  | 'accept'
  | 'refusal'
  | 'timeouts'

const DEFAULTS: Required<Pick<RouteOptions, Defaulted>> = Object.freeze({
  executor: 'inline',
  flush: 'event',
  heartbeatMs: 15_000,
  highWaterMark: 65_536,
  maxBuffered: 1_048_576,
  overflow: 'close',
  compress: false,
  accept: 'strict',
  refusal: 'status',
  timeouts: Object.freeze({ firstEventMs: 0, idleMs: 0, totalMs: 0 }),
})

/** Route options with every default filled in. */
export type ResolvedOptions<Request = unknown> = Readonly<
  RouteOptions<Request> & Required<Pick<RouteOptions, Defaulted>> & { timeouts: Required<Timeouts> }
>

export type Rule = readonly [expected: string, holds: (value: unknown) => boolean]

/** Checks of single options, by name; also used by executors for theirs. */
export const whole = (least: number, most: number = Number.MAX_SAFE_INTEGER): Rule => [
  most === Number.MAX_SAFE_INTEGER
    ? `a whole number from ${least}`
    : `a whole number from ${least} to ${most}`,
  (value) => Number.isSafeInteger(value) && (value as number) >= least && (value as number) <= most,
]
const fn: Rule = ['a function', (value) => typeof value === 'function']

/** Longer timers overflow Node's 32-bit milliseconds and would fire at once. */
const LONGEST_TIMER_MS = 2 ** 31 - 1
export const milliseconds = (least: number): Rule => whole(least, LONGEST_TIMER_MS)

export function isObject(value: unknown): boolean {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

const RULES: Readonly<Record<keyof RouteOptions, Rule>> = {
  executor: ['a name', (value) => typeof value === 'string' && value !== ''],
  flush: ["'event' or 'tick'", (value) => value === 'event' || value === 'tick'],
  heartbeatMs: milliseconds(0),
  retryMs: [
    'a whole number from 0, or an object of min and max',
    (value) => whole(0)[1](value) || isObject(value),
  ],
  highWaterMark: whole(0),
  maxBuffered: whole(1),
  overflow: ["'close', 'block', 'drop-oldest', { latest: 'event' } or { latest: 'id' }", isOverflow],
  compress: [
    "true, false or { encodings: […] } with some of 'zstd', 'br', 'gzip'",
    (value) => typeof value === 'boolean' || hasEncodings(value),
  ],
  timeouts: ['an object of firstEventMs, idleMs and totalMs', isObject],
  accept: ["'strict' or 'ignore'", (value) => value === 'strict' || value === 'ignore'],
  context: fn,
  maxStreamsPerClient: whole(1),
  clientKey: fn,
  refusal: ["'status' or 'retry'", (value) => value === 'status' || value === 'retry'],
  serializer: fn,
  onOpen: fn,
  onClose: fn,
  onError: fn,
}

function isOverflow(value: unknown): boolean {
  if (value === 'close' || value === 'block' || value === 'drop-oldest') return true
  const latest = soleProperty(value, 'latest')
  return latest === 'event' || latest === 'id'
}

function hasEncodings(value: unknown): boolean {
  const encodings = soleProperty(value, 'encodings')
  if (!Array.isArray(encodings) || encodings.length === 0) return false
  // Also one that this Node can't make: it is not offered.
  return encodings.every((encoding) => (KNOWN_CODINGS as unknown[]).includes(encoding))
}

function soleProperty(value: unknown, key: string): unknown {
  if (typeof value !== 'object' || value === null || Object.keys(value).join() !== key) return undefined
  return (value as Record<string, unknown>)[key]
}

/** Content codings that a route offers, best first. */
export function offeredCodings({ compress }: Pick<ResolvedOptions, 'compress'>): readonly ContentCoding[] {
  if (typeof compress === 'boolean') return compress ? CONTENT_CODINGS : []
  return compress.encodings
}

/** What a route drops when too much waits; undefined where it drops nothing. */
export function dropPolicy({ overflow }: Pick<ResolvedOptions, 'overflow'>): DropPolicy | undefined {
  return overflow === 'close' || overflow === 'block' ? undefined : overflow
}

const TIMEOUT_RULES: Readonly<Record<keyof Timeouts, Rule>> = {
  firstEventMs: milliseconds(0),
  idleMs: milliseconds(0),
  totalMs: milliseconds(0),
}

/**
 * Checks options against rules. A value of undefined counts as absent.
 *
 * @param place where the options stand, for the message
 * @returns a copy without absent options
 * @throws HF_ERR_OPTION_UNKNOWN, HF_ERR_OPTION_INVALID
 */
export function checkOptions<Options extends object>(
  options: Options,
  rules: Readonly<Record<string, Rule>>,
  place: string,
): Options {
  const checked: Record<string, unknown> = {}
  for (const [key, value] of Object.entries(options)) {
    const rule = Object.hasOwn(rules, key) ? rules[key] : undefined
    if (rule === undefined) throw new HF_ERR_OPTION_UNKNOWN(key, place, Object.keys(rules).join(', '))
    if (value === undefined) continue
    const [expected, holds] = rule
    if (!holds(value)) throw new HF_ERR_OPTION_INVALID(key, place, expected, show(value))
    checked[key] = value
  }
  return checked as Options
}

/**
 * Checks options of routes, and those that are allowed beside them.
 *
 * @throws HF_ERR_OPTION_UNKNOWN, HF_ERR_OPTION_INVALID
 */
export function checkRouteOptions<Options extends RouteOptions<never>>(
  options: Options,
  place: string,
  more: Readonly<Record<string, Rule>> = {},
): Options {
  const checked = checkOptions(options, { ...RULES, ...more }, place)
  const { retryMs, timeouts } = checked
  if (typeof retryMs === 'object') Object.assign(checked, { retryMs: checkRange(retryMs, place) })
  if (timeouts !== undefined) {
    const limits = checkOptions(timeouts, TIMEOUT_RULES, `the timeouts of ${place}`)
    Object.assign(checked, { timeouts: Object.freeze(limits) })
  }
  return checked
}

function checkRange(range: RetryRange, routePlace: string): RetryRange {
  const place = `the retryMs of ${routePlace}`
  const least = whole(0)
  const { min, max } = checkOptions({ ...range }, { min: least, max: least }, place)
  if (min === undefined) throw new HF_ERR_OPTION_INVALID('min', place, least[0], show(min))
  if (max === undefined) throw new HF_ERR_OPTION_INVALID('max', place, least[0], show(max))
  if (max < min) throw new HF_ERR_OPTION_INVALID('max', place, `at least min (${min})`, String(max))
  return Object.freeze({ min, max })
}

/** What one client is told: the number itself, or one between the two. */
export function drawRetryMs(retryMs: number | RetryRange): number {
  if (typeof retryMs === 'number') return retryMs
  const { min, max } = retryMs
  return min + Math.floor(Math.random() * (max - min + 1))
}

/**
 * Fills in defaults; later options win over earlier ones, of `timeouts` each limit by itself.
 *
 * @throws HF_ERR_OPTION_INVALID when the limits contradict each other
 */
export function resolveOptions<Request>(
  place: string,
  ...layers: RouteOptions<Request>[]
): ResolvedOptions<Request> {
  const timeouts = Object.assign({}, DEFAULTS.timeouts, ...layers.map((layer) => layer.timeouts)) as Timeouts
  const resolved = Object.assign({}, DEFAULTS, ...layers, {
    timeouts: Object.freeze(timeouts),
  }) as ResolvedOptions<Request>
  if (resolved.maxBuffered < resolved.highWaterMark) {
    throw new HF_ERR_OPTION_INVALID(
      'maxBuffered',
      place,
      `at least highWaterMark (${resolved.highWaterMark})`,
      String(resolved.maxBuffered),
    )
  }
  return Object.freeze(resolved)
}
