import { HF_ERR_CANNOT_BLOCK, HF_ERR_OPTION_INVALID, HF_ERR_STREAM_CLOSED } from '../errors.ts'
import { encodeComment, encodeEvent, show, soleLine, type EventInput, type Serializer } from './event.ts'
import type { Sink } from './sink.ts'

/**
 * Why a stream is closed.
 *
 * - `ended`: the producer had finished, or had called `close()`, and all was delivered
 * - `client`: the client left
 * - `error`: the producer threw
 * - `timeout`: a deadline struck
 * - `overflow`: the client was too far behind
 * - `shutdown`: the server closed
 * - `lost`: the thread that ran the producer died
 */
export type CloseReason = 'ended' | 'client' | 'error' | 'timeout' | 'overflow' | 'shutdown' | 'lost'

/** What `stream.signal` aborts with. It is named `AbortError`, as what Node's own cancelled calls throw. */
export interface StreamClosedError extends Error {
  name: 'AbortError'
  code: 'HF_ERR_STREAM_CLOSED'
  reason: CloseReason
}

/** What a stream knows of its request, the same on every thread; plain values. */
export interface StreamContext {
  /** Fastify's `request.id`. */
  readonly requestId: string
  /** The route, as `GET /path/:id`. */
  readonly route: string
  /** The request's header of that name (W3C Trace Context), if it had one. */
  readonly traceparent?: string
  /** What the route's option `context` adds. */
  readonly [key: string]: unknown
}

/** Levels of the server's logger, from the least to the most urgent. */
export const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal'] as const
export type LogLevel = (typeof LOG_LEVELS)[number]

type LogMethod = (...entry: [message: string] | [fields: object, message?: string]) => void

/** The server's logger, with the id of the request in each line. */
export type StreamLog = Readonly<Record<LogLevel, LogMethod>>

export interface StreamSettings {
  context: StreamContext
  log: StreamLog
  serializer?: Serializer | undefined
  lastEventId?: string | undefined
}

/** Closes a stream from outside. Only the owner of its sink calls it: it is no method that producers see. */
export let abortStream: (stream: EventStream, reason: CloseReason) => void

/** Whether somebody has asked for a stream's signal. */
export let isSignalled: (stream: EventStream) => boolean

/** Calls back once when a stream is closed, from whichever side; answers what takes the callback back. */
export let onStreamClosed: (stream: EventStream, callback: (reason: Error) => void) => () => void

/** What a producer holds: one client's event stream. The same class on every thread. */
export class EventStream {
  readonly #sink: Sink
  readonly #serializer: Serializer | undefined
  /** Why the stream was closed from outside; stays undefined when its producer ends it. */
  #reason: CloseReason | undefined
  /** True once the producer has ended it, or it was closed from outside. */
  #closed = false
  /** Made when somebody asks for the signal: an idle stream should cost little. */
  #controller: AbortController | undefined
  /** Called when it is closed; set while somebody asks for it. */
  #onClosed: ((reason: Error) => void) | undefined

  /** The `Last-Event-ID` that the client sent when it reconnected; undefined when it sent none, or ''. */
  readonly lastEventId: string | undefined
  readonly context: StreamContext
  readonly log: StreamLog

  constructor(sink: Sink, settings: StreamSettings) {
    this.#sink = sink
    this.context = settings.context
    this.log = settings.log
    this.#serializer = settings.serializer
    this.lastEventId = settings.lastEventId
  }

  /**
   * Sends one event.
   *
   * @returns true, or false when the client is behind (the event was taken; `await ready()` before the next)
   *   or the stream is closed (it was not)
   * @throws HF_ERR_EVENT_INVALID, HF_ERR_EVENT_FIELD, HF_ERR_EVENT_DATA when it is no event; the stream lives on
   */
  send(event: EventInput): boolean {
    if (this.closed) return false
    if (this.#sink.writeLine !== undefined) {
      const line = soleLine(event, this.#serializer)
      if (line !== undefined) return this.#sink.writeLine(line)
    }
    return this.#sink.write(encodeEvent(event, this.#serializer), 1)
  }

  /**
   * Sends a comment, which no client shows. Answers as {@link send} does.
   *
   * @throws HF_ERR_EVENT_FIELD when `text` is not a string
   */
  comment(text: string): boolean {
    if (this.closed) return false
    return this.#sink.write(encodeComment(text), 0)
  }

  /** Resolves with true as soon as the client has caught up, with false when the stream is closed. */
  async ready(): Promise<boolean> {
    return this.closed ? false : this.#sink.ready()
  }

  /**
   * Waits in place until the client has caught up: for a producer that blocks anyway. Only where the producer
   * has a thread to spare, as on `workers`.
   *
   * @param timeoutMs how long at most, from 0. Default: for ever
   * @returns true when the client has caught up, false when the stream is closed or the time is over
   * @throws HF_ERR_CANNOT_BLOCK on the server's thread; HF_ERR_OPTION_INVALID when `timeoutMs` is no such number
   */
  readySync(timeoutMs: number = Infinity): boolean {
    if (this.#sink.readySync === undefined) throw new HF_ERR_CANNOT_BLOCK()
    if (typeof timeoutMs !== 'number' || !(timeoutMs >= 0)) {
      const expected = 'a number of milliseconds from 0'
      throw new HF_ERR_OPTION_INVALID('timeoutMs', 'stream.readySync()', expected, show(timeoutMs))
    }
    return !this.closed && this.#sink.readySync(timeoutMs)
  }

  /** Ends the stream after what was sent. A second call does nothing. */
  close(): void {
    if (this.closed) return
    this.#closed = true
    this.#sink.end()
    this.#onClosed?.(streamClosed('ended'))
  }

  /**
   * True once nothing more can be sent: the client left, the server closes it, or `close()` was called. On a
   * worker it turns true even inside a loop that never yields.
   */
  get closed(): boolean {
    return this.#closed || this.#sink.closed
  }

  /**
   * Aborts when the stream is closed from outside (not by `close()` or by the producer's own end), with a
   * {@link StreamClosedError} that says why.
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
    const error = streamClosed(reason)
    this.#controller?.abort(error)
    this.#onClosed?.(error)
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
