import { HF_ERR_STREAM_TIMEOUT } from '../errors.ts'
import type { CutReason } from './executor.ts'
import type { Timeouts } from './options.ts'

/**
 * The time limit that closed a stream: one of its route's `timeouts`, the `maxQueueWaitMs` of `workers()`, or the
 * `connectionTimeout` of Fastify (Node's `server.timeout`; also where a handler has set the limit of its own connection).
 */
export type TimeLimit = keyof Timeouts | 'maxQueueWaitMs' | 'connectionTimeout'

/** What `onClose` gets as `info.error` where a time limit has closed the stream. */
export interface StreamTimeoutError extends Error {
  code: 'HF_ERR_STREAM_TIMEOUT'
  /** The limit that was passed. */
  timeout: TimeLimit
}

/** @param ms how long the limit is */
export function streamTimeout(timeout: keyof typeof MISSED, ms: number): StreamTimeoutError {
  return makeError(timeout, MISSED[timeout](ms))
}

/** For the server's own limit: the connection is gone already. */
export function connectionTimeout(): StreamTimeoutError {
  return makeError(
    'connectionTimeout',
    'nothing was sent or received on its connection for so long (heartbeatMs below it keeps it open; on HTTP/2 the time is that of http2SessionTimeout)',
  )
}

const makeError = (timeout: TimeLimit, missed: string): StreamTimeoutError =>
  Object.assign(new HF_ERR_STREAM_TIMEOUT(timeout, missed), { timeout }) as StreamTimeoutError

const MISSED: Readonly<Record<Exclude<TimeLimit, 'connectionTimeout'>, (ms: number) => string>> = {
  firstEventMs: (ms) => `no event came within ${ms} ms of the head`,
  idleMs: (ms) => `no event came for ${ms} ms`,
  totalMs: (ms) => `the response was not over ${ms} ms after the head`,
  maxQueueWaitMs: (ms) => `no thread was free within ${ms} ms`,
}

/** How long a client may take what waits for it after a limit was passed, in ms. */
const DRAIN_MS = 1_000

/** How many times a stream is looked at in its shortest limit. */
const LOOKS = 4

/** What is closed when a limit is passed: a connection. */
export interface Limited {
  readonly sink: { readonly events: number; readonly closed: boolean }
  /** Does nothing where the end is decided already. */
  cut(reason: CutReason, error: Error): void
  destroy(): void
}

/**
 * The time limits of one open stream, from its head until its response is over.
 *
 * A timer looks again and again whether an event has come. So an event costs nothing (no clock is read for it, no timer
 * moved). If the server's thread is blocked, that time counts as one look: what came meanwhile from elsewhere is read
 * before the next. The price is that `idleMs` acts up to a quarter late.
 */
export class Deadlines {
  readonly #timeouts: Readonly<Required<Timeouts>>
  readonly #limited: Limited
  /** For the next look; after a limit was passed, for the end of the drain. */
  #timer: NodeJS.Timeout | undefined
  readonly #total: NodeJS.Timeout | undefined
  #eventsSeen = 0
  /** Time between the looks without a new event, in ms. */
  #silentMs = 0

  /** The head has left. */
  constructor(timeouts: Readonly<Required<Timeouts>>, limited: Limited) {
    this.#timeouts = timeouts
    this.#limited = limited
    const { totalMs } = timeouts
    // All timers are unref'd: the socket keeps the process alive as long as it is open.
    if (totalMs > 0) this.#total = setTimeout(() => this.#pass('totalMs'), totalMs).unref()
    this.#lookLater()
  }

  /** The limits of a stream; undefined where none is set. */
  static of(timeouts: Readonly<Required<Timeouts>>, limited: Limited): Deadlines | undefined {
    const { firstEventMs, idleMs, totalMs } = timeouts
    return firstEventMs + idleMs + totalMs > 0 ? new Deadlines(timeouts, limited) : undefined
  }

  /** The response is over. */
  stop(): void {
    clearTimeout(this.#timer)
    clearTimeout(this.#total)
  }

  #lookLater(): void {
    const { firstEventMs, idleMs } = this.#timeouts
    // The first event has to be seen in time for idleMs too.
    const limits = this.#eventsSeen === 0 ? [firstEventMs, idleMs] : [idleMs]
    const shortestMs = Math.min(...limits.filter((ms) => ms > 0))
    if (shortestMs === Infinity) return
    const ms = Math.ceil(shortestMs / LOOKS)
    this.#timer = setTimeout(this.#look, ms, ms).unref()
  }

  readonly #look = (sinceLastMs: number): void => {
    const { events, closed } = this.#limited.sink
    // No event can come any more; only totalMs is left.
    if (closed) return
    this.#silentMs = events === this.#eventsSeen ? this.#silentMs + sinceLastMs : 0
    this.#eventsSeen = events
    const limit = events === 0 ? 'firstEventMs' : 'idleMs'
    const limitMs = this.#timeouts[limit]
    if (limitMs > 0 && this.#silentMs >= limitMs) this.#pass(limit)
    else this.#lookLater()
  }

  #pass(limit: keyof Timeouts): void {
    const limited = this.#limited
    const hasEnded = limited.sink.closed
    clearTimeout(this.#timer)
    if (!hasEnded) this.#timer = setTimeout(() => limited.destroy(), DRAIN_MS).unref()
    limited.cut('timeout', streamTimeout(limit, this.#timeouts[limit]))
    if (hasEnded) limited.destroy()
  }
}
