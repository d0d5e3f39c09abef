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
  /** The limit that struck. */
  timeout: TimeLimit
}

/** @param ms how long the limit is */
export function streamTimeout(timeout: keyof typeof MISSED, ms: number): StreamTimeoutError {
  return makeError(timeout, MISSED[timeout](ms))
}

/** The server's own limit has struck: the connection is gone already. */
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

/** How long a client may take what waits for it after a limit has struck, in ms. */
const DRAIN_MS = 1_000

/** How often a stream is looked at in the time that its shortest silence may last. */
const LOOKS = 4

/** What is closed when a limit strikes: a connection. */
export interface Limited {
  readonly sink: { readonly events: number; readonly closed: boolean }
  /** Does nothing where a reason is known already. */
  cut(reason: CutReason, error: Error): void
  destroy(): void
}

/**
 * The time limits of one open stream, from its head until its response is over.
 *
 * A silence is measured by looking again and again whether there was an event. So an event costs nothing (no clock is
 * read for it, no timer moved), and the time for which the server's thread was blocked counts as one look: what came
 * meanwhile from elsewhere is read before the next. The price is that `idleMs` strikes up to a quarter late.
 */
export class Deadlines {
  readonly #timeouts: Readonly<Required<Timeouts>>
  readonly #limited: Limited
  /** For the next look; once a limit has struck, for the end of the drain. */
  #timer: NodeJS.Timeout | undefined
  readonly #total: NodeJS.Timeout | undefined
  #eventsSeen = 0
  /** How long the looks that found nothing new were apart, in ms. */
  #silentMs = 0

  /** The head has left. */
  constructor(timeouts: Readonly<Required<Timeouts>>, limited: Limited) {
    this.#timeouts = timeouts
    this.#limited = limited
    const { totalMs } = timeouts
    // All are unref'd: what they wait for has a socket, which keeps the process alive as long as it is open.
    if (totalMs > 0) this.#total = setTimeout(() => this.#strike('totalMs'), totalMs).unref()
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
    // The first event has to be seen in time for idleMs, too.
    const limits = this.#eventsSeen === 0 ? [firstEventMs, idleMs] : [idleMs]
    const shortestMs = Math.min(...limits.filter((ms) => ms > 0))
    if (shortestMs === Infinity) return
    const ms = Math.ceil(shortestMs / LOOKS)
    this.#timer = setTimeout(this.#look, ms, ms).unref()
  }

  readonly #look = (sinceLastMs: number): void => {
    const { events, closed } = this.#limited.sink
    // No event can come any more; the rest is for totalMs.
    if (closed) return
    this.#silentMs = events === this.#eventsSeen ? this.#silentMs + sinceLastMs : 0
    this.#eventsSeen = events
    const limit = events === 0 ? 'firstEventMs' : 'idleMs'
    const limitMs = this.#timeouts[limit]
    if (limitMs > 0 && this.#silentMs >= limitMs) this.#strike(limit)
    else this.#lookLater()
  }

  #strike(limit: keyof Timeouts): void {
    const limited = this.#limited
    const hasEnded = limited.sink.closed
    clearTimeout(this.#timer)
    if (!hasEnded) this.#timer = setTimeout(() => limited.destroy(), DRAIN_MS).unref()
    limited.cut('timeout', streamTimeout(limit, this.#timeouts[limit]))
    if (hasEnded) limited.destroy()
  }
}
