import { HF_ERR_CANNOT_BLOCK, HF_ERR_OPTION_INVALID, HF_ERR_STREAM_CLOSED } from '../errors.ts'
import { encodeComment, encodeEvent, show, soleLine, type EventInput, type Serializer } from './event.ts'
import { isShared } from './shared-event.ts'
import type { Sink } from './sink.ts'

/**
 * Why a stream is closed.
 *
 * - `ended`: the producer has finished, or has called `close()`, and everything was delivered
 * - `client`: the client has left before everything was delivered
 * - `error`: the producer, or the hook `onOpen`, has thrown
 * - `timeout`: a time limit is over
 * - `overflow`: more than `maxBuffered` bytes waited for the client
 * - `shutdown`: the server is closing
 * - `lost`: the thread (or process, or machine) that ran the producer has died
 */
export type CloseReason = 'ended' | 'client' | 'error' | 'timeout' | 'overflow' | 'shutdown' | 'lost'

/** All of them. */
export const CLOSE_REASONS: readonly CloseReason[] = [
  'ended',
  'client',
  'error',
  'timeout',
  'overflow',
  'shutdown',
  'lost',
]

/**
 * The reason of `stream.signal`. Its name is `AbortError`, like that of the errors of Node's own cancelled calls.
 *
 * @example
 * const { reason } = stream.signal.reason as StreamClosedError
 */
export interface StreamClosedError extends Error {
  name: 'AbortError'
  code: 'HF_ERR_STREAM_CLOSED'
  reason: CloseReason
}

/** Plain values of a stream's request, the same on every thread. */
export interface StreamContext {
  /** Fastify's `request.id`. */
  readonly requestId: string
  /** The route, as `GET /path/:id`. */
  readonly route: string
  /** The request's header `traceparent` (W3C Trace Context); undefined if it has none. */
  readonly traceparent?: string
  /** The values that the route's option `context` adds. */
  readonly [key: string]: unknown
}

/** Levels of the server's logger, from the least to the most urgent. */
export const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal'] as const
/** A level of the server's logger. */
export type LogLevel = (typeof LOG_LEVELS)[number]

type LogMethod = (...entry: [message: string] | [fields: object, message?: string]) => void

/**
 * The server's logger, with the id of the request in each line.
 *
 * @example
 * stream.log.info({ rows: 3 }, 'report sent')
 */
export type StreamLog = Readonly<Record<LogLevel, LogMethod>>

export interface StreamSettings {
  context: StreamContext
  log: StreamLog
  serializer?: Serializer | undefined
  lastEventId?: string | undefined
}

/** Closes a stream from outside. Only the owner of its sink calls it, so it is not a method of the class. */
export let abortStream: (stream: EventStream, reason: CloseReason) => void

/** True once `stream.signal` was read. */
export let isSignalled: (stream: EventStream) => boolean

/**
 * Calls `callback` once when a stream is closed, by its producer or from outside; at once if it is closed already. One
 * callback at a time. Returns a function that removes it.
 */
export let onStreamClosed: (stream: EventStream, callback: (reason: Error) => void) => () => void

/**
 * One client's event stream, as its producer gets it. The same class on every thread.
 *
 * @example
 * app.get('/clock', { sse: true }, async (request, reply) =>
 *   reply.sse((stream) => {
 *     const timer = setInterval(() => stream.send(new Date().toISOString()), 1000)
 *     stream.signal.addEventListener('abort', () => clearInterval(timer))
 *   }),
 * )
 */
export class EventStream {
  readonly #sink: Sink
  readonly #serializer: Serializer | undefined
  /** Why the stream was closed from outside; undefined if its producer has ended it. */
  #reason: CloseReason | undefined
  /** True once the producer has ended it, or it was closed from outside. */
  #closed = false
  /** Made when `signal` is first read: an idle stream has none. */
  #controller: AbortController | undefined
  /** The callback of {@link onStreamClosed}. */
  #onClosed: ((reason: Error) => void) | undefined

  /**
   * The `Last-Event-ID` that the client sent when it reconnected, unchecked; undefined if it sent none, or ''.
   *
   * @example
   * const from = stream.lastEventId === undefined ? 0 : Number(stream.lastEventId) + 1
   */
  readonly lastEventId: string | undefined
  /** Plain values of the request: its id, its route, its `traceparent`, and what the option `context` adds. */
  readonly context: StreamContext
  /** Writes to the server's logger, in the order of the events. */
  readonly log: StreamLog

  constructor(sink: Sink, settings: StreamSettings) {
    this.#sink = sink
    this.context = settings.context
    this.log = settings.log
    this.#serializer = settings.serializer
    this.lastEventId = settings.lastEventId
  }

  /**
   * Sends one event. If it throws, nothing was sent, and the stream stays open.
   *
   * @returns true. False if more than `highWaterMark` bytes wait for the client (the event was taken; `await ready()`
   *   before the next), or if the stream is closed (the event was not taken)
   * @throws HF_ERR_EVENT_INVALID if it is not an event
   * @throws HF_ERR_EVENT_FIELD if a field has a value that cannot be sent
   * @throws HF_ERR_EVENT_DATA if its data cannot be serialized
   * @example
   * stream.send('text')
   * stream.send({ event: 'price', id: 7, data: { ACME: 12.5 } })
   */
  send(event: EventInput): boolean {
    if (this.closed) return false
    if (isShared(event)) {
      return this.#sink.writeShared?.(event) ?? this.#sink.write(event.text, 1)
    }
    if (this.#sink.writeLine !== undefined) {
      const line = soleLine(event, this.#serializer)
      if (line !== undefined) return this.#sink.writeLine(line)
    }
    return this.#sink.write(encodeEvent(event, this.#serializer), 1)
  }

  /**
   * Sends a comment: one line, which begins with a colon, for each line of `text`. No client dispatches it.
   *
   * @returns like {@link send}
   * @throws HF_ERR_EVENT_FIELD if `text` is not a string
   * @example
   * stream.comment('still computing')
   */
  comment(text: string): boolean {
    if (this.closed) return false
    return this.#sink.write(encodeComment(text), 0)
  }

  /**
   * Waits, without blocking the thread, until at most `highWaterMark` bytes wait for the client.
   *
   * @returns resolves with true then, with false if the stream is closed; never rejects
   * @example
   * if (!stream.send('row')) await stream.ready()
   */
  async ready(): Promise<boolean> {
    return this.closed ? false : this.#sink.ready()
  }

  /**
   * Blocks the thread until at most `highWaterMark` bytes wait for the client. For producers that block anyway, on
   * `workers` only.
   *
   * @param timeoutMs the longest wait, in ms, from 0. Default: `Infinity`
   * @returns true if at most `highWaterMark` bytes wait, false if the stream is closed or the time is over
   * @throws HF_ERR_CANNOT_BLOCK if the executor cannot wait in place, as on the server's thread
   * @throws HF_ERR_OPTION_INVALID if `timeoutMs` is not a number from 0
   * @example
   * if (!stream.send('row')) stream.readySync(5_000)
   */
  readySync(timeoutMs: number = Infinity): boolean {
    if (this.#sink.readySync === undefined) throw new HF_ERR_CANNOT_BLOCK()
    if (typeof timeoutMs !== 'number' || !(timeoutMs >= 0)) {
      const expected = 'a number of milliseconds from 0'
      throw new HF_ERR_OPTION_INVALID('timeoutMs', 'stream.readySync()', expected, show(timeoutMs))
    }
    return !this.closed && this.#sink.readySync(timeoutMs)
  }

  /**
   * Ends the stream when everything that was sent is delivered. A second call does nothing.
   *
   * @example
   * stream.send({ event: 'done', data: '' })
   * stream.close()
   */
  close(): void {
    if (this.closed) return
    this.#closed = true
    this.#sink.end()
    this.#takeCallback()?.(streamClosed('ended'))
  }

  /**
   * True as soon as nothing more can be sent: the client has left, the server has closed the stream, or `close()` was
   * called. On a worker it becomes true even inside a loop that never yields.
   *
   * @example
   * for (let n = 0; !stream.closed; n++) stream.send({ id: n, data: n })
   */
  get closed(): boolean {
    return this.#closed || this.#sink.closed
  }

  /**
   * Aborts when the stream is closed from outside, with a {@link StreamClosedError} as its reason. `close()`, and a
   * producer that finishes or throws, do not abort it.
   *
   * @example
   * const timer = setInterval(() => stream.send('tick'), 1000)
   * stream.signal.addEventListener('abort', () => clearInterval(timer))
   */
  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController()
      if (this.#reason !== undefined) this.#controller.abort(streamClosed(this.#reason))
    }
    return this.#controller.signal
  }

  #abort(reason: CloseReason): void {
    if (this.#reason !== undefined) return
    this.#closed = true
    this.#reason = reason
    const onClosed = this.#takeCallback()
    // Most streams have neither, and an error costs more than all else here.
    if (this.#controller === undefined && onClosed === undefined) return
    const error = streamClosed(reason)
    this.#controller?.abort(error)
    onClosed?.(error)
  }

  #takeCallback(): ((reason: Error) => void) | undefined {
    const onClosed = this.#onClosed
    this.#onClosed = undefined
    return onClosed
  }

  #whenClosed(callback: (reason: Error) => void): () => void {
    if (this.#closed) callback(streamClosed(this.#reason ?? 'ended'))
    else this.#onClosed = callback
    return () => (this.#onClosed = undefined)
  }

  static {
    abortStream = (stream, reason) => stream.#abort(reason)
    isSignalled = (stream) => stream.#controller !== undefined
    onStreamClosed = (stream, callback) => stream.#whenClosed(callback)
  }
}

function streamClosed(reason: CloseReason): StreamClosedError {
  return Object.assign(new HF_ERR_STREAM_CLOSED(reason), { name: 'AbortError', reason }) as StreamClosedError
}
