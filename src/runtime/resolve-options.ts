/** Options of a route are checked once, when it is registered, copied and frozen; later layers win over earlier ones. */
import { HF_ERR_OPTION_INVALID } from '../errors.ts'
import type { DropPolicy } from '../sse/backlog.ts'
import { CONTENT_CODINGS, KNOWN_CODINGS, type ContentCoding } from '../sse/compression.ts'
import { show } from '../sse/event.ts'
import { checkOptions, isObject, milliseconds, whole, type Rule } from './option-rules.ts'
import type { RetryRange, RouteOptions, Timeouts } from './options.ts'

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

/** Route options with every default filled in. */
export type ResolvedOptions<Request = unknown> = Readonly<
  RouteOptions<Request> & Required<Pick<RouteOptions, Defaulted>> & { timeouts: Required<Timeouts> }
>

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

const fn: Rule = ['a function', (value) => typeof value === 'function']

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

const TIMEOUT_RULES: Readonly<Record<keyof Timeouts, Rule>> = {
  firstEventMs: milliseconds(0),
  idleMs: milliseconds(0),
  totalMs: milliseconds(0),
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

/** Content codings that a route offers, best first. */
export function offeredCodings({ compress }: Pick<ResolvedOptions, 'compress'>): readonly ContentCoding[] {
  if (typeof compress === 'boolean') return compress ? CONTENT_CODINGS : []
  return compress.encodings
}

/** What a route drops when too much waits; undefined where it drops nothing. */
export function dropPolicy({ overflow }: Pick<ResolvedOptions, 'overflow'>): DropPolicy | undefined {
  return overflow === 'close' || overflow === 'block' ? undefined : overflow
}

/** The `retry` of one client: the number itself, or one between the two. */
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
