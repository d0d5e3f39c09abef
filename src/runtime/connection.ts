import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Writable } from 'node:stream'
import { HF_ERR_EXECUTOR_UNAVAILABLE, HF_ERR_PAYLOAD_WRAPPED } from '../errors.ts'
import { encodeRetry, type Serializer } from '../sse/event.ts'
import { hasNoBody, HeadPayload, sendHead } from '../sse/head.ts'
import { ResponseSink } from '../sse/response-sink.ts'
import {
  abortStream,
  EventStream,
  type CloseReason,
  type StreamContext,
  type StreamLog,
} from '../sse/stream.ts'
import type { CutReason, Task } from './executor.ts'
import type { CloseInfo } from './options.ts'
import { run, type Pause, type Producer } from './producer.ts'
import type { Route } from './route.ts'

/** What a connection needs of the web framework that it lives in. */
export interface Host<Request> {
  readonly request: Request
  readonly rawRequest: IncomingMessage
  readonly response: ServerResponse
  readonly log: StreamLog & { readonly level: string }
  /** Replies with an error. */
  refuse(error: Error): void
  /** Replies with a payload that all hooks see, and that is then piped to the response. */
  sendHead(payload: HeadPayload): void
  /** The head leaves: from now on the response is not the framework's to end. */
  detach(): void
}

/**
 * One client's connection, from `reply.sse()` to its close; to its executor, a {@link Task}.
 *
 * It moves through these phases, and never back:
 *
 * 1. `new`: waits for its turn on a pipelined connection, then for its executor to admit it
 * 2. `admitted`: the reply goes through the framework's hooks, which may still replace it
 * 3. `open`: the head has left. The executor has the task, the client the events
 * 4. `closed`: the response is over, in whichever way, and `onClose` was called
 *
 * The task has a life of its own next to it, since a producer may go on after its client has left: `none` (not
 * admitted), `waiting`, `running`, `done`. Each is counted in the executor's load.
 */
export class Connection<Request> implements Task {
  readonly #host: Host<Request>
  readonly #route: Route<Request>
  readonly #onClosed: (connection: Connection<Request>) => void
  readonly #began = performance.now()
  #phase: 'new' | 'admitted' | 'open' | 'closed' = 'new'
  #task: 'none' | 'waiting' | 'running' | 'done' = 'none'
  /** The response was ended, and all of it handed to the kernel. */
  #finished = false
  /** The producer has returned, and left its stream open: its task is done when the stream is. */
  #subscribed = false
  /** Set as soon as it is known, which may be long before the response is over. */
  #reason: CloseReason | undefined
  #error: unknown
  /** Set when the server closes before the head has left. */
  #farewell: string | undefined
  #onSettled: (() => void) | undefined
  #admittedAt: number | undefined
  #headAt: number | undefined
  #startedAt: number | undefined

  readonly producer: Producer<never>
  readonly input: unknown
  readonly lastEventId: string | undefined
  readonly sink: ResponseSink
  readonly stream: EventStream

  /** @param onClosed called when the connection is over, opened or not */
  constructor(
    host: Host<Request>,
    route: Route<Request>,
    producer: Producer<never>,
    input: unknown,
    settings: {
      serializer: Serializer | undefined
      lastEventId: string | undefined
      context: StreamContext
    },
    onClosed: (connection: Connection<Request>) => void,
  ) {
    this.#host = host
    this.#route = route
    this.#onClosed = onClosed
    this.producer = producer
    this.input = input
    this.lastEventId = settings.lastEventId
    const { flush, highWaterMark, maxBuffered, overflow } = route.options
    this.sink = new ResponseSink(host.response, {
      flush,
      highWaterMark,
      maxBuffered,
      onOverflow: () => {
        if (overflow === 'close') this.cut('overflow')
      },
      onEnd: () => {
        host.response.once('finish', () => (this.#finished = true))
        this.#endResponse()
      },
    })
    this.stream = new EventStream(this.sink, { ...settings, log: host.log })
  }

  get executor(): string {
    return this.#route.executor.name
  }

  get route(): string {
    return this.#route.name
  }

  get context(): StreamContext {
    return this.stream.context
  }

  get log(): StreamLog & { readonly level: string } {
    return this.#host.log
  }

  get options(): Task['options'] {
    return this.#route.options
  }

  get closed(): boolean {
    return this.#phase === 'closed' || this.#reason !== undefined
  }

  /** Phase `new`: from here on everything happens by itself. */
  begin(): void {
    const { response, rawRequest } = this.#host
    response.once('close', this.#onResponseClose)
    if (hasNoBody(rawRequest.method ?? '', response.statusCode)) {
      this.#sendHead()
      return
    }
    this.#whenResponseOwnsSocket(() => this.#prepare())
  }

  /** A pipelined request is answered after those before it: until then its response has no socket. */
  #whenResponseOwnsSocket(proceed: () => void): void {
    const { response, rawRequest } = this.#host
    if (response.socket !== null || rawRequest.httpVersionMajor >= 2) {
      proceed()
      return
    }
    const { socket } = rawRequest
    response.once('socket', () => {
      socket.removeListener('close', this.#onResponseClose)
      proceed()
    })
    // A response that never got its socket says nothing when that closes.
    socket.once('close', this.#onResponseClose)
  }

  /** False when the client has left, or the server closes: then the client is told so. */
  #isWanted(): boolean {
    if (this.#phase === 'closed') return false
    if (this.#farewell === undefined) return true
    this.#refuse(new HF_ERR_EXECUTOR_UNAVAILABLE(this.executor, 'the server is closing'))
    return false
  }

  #prepare(): void {
    if (!this.#isWanted()) return
    let pending: void | Promise<void>
    try {
      pending = this.#route.executor.executor.prepare?.(this)
    } catch (error) {
      this.#host.refuse(asError(error))
      return
    }
    if (pending === undefined) {
      this.#admit()
      return
    }
    pending.then(
      () => this.#admit(),
      (error: unknown) => this.#host.refuse(asError(error)),
    )
  }

  #admit(): void {
    if (!this.#isWanted()) return
    const { executor, load } = this.#route.executor
    try {
      executor.admit?.(this, load)
    } catch (error) {
      this.#refuse(asError(error))
      return
    }
    this.#admitted()
  }

  #refuse(error: Error & { retryAfterMs?: number }): void {
    this.#route.executor.refused++
    if (this.#route.options.refusal === 'retry') {
      this.#sendHead(`${encodeRetry(jittered(error.retryAfterMs ?? DEFAULT_RETRY_MS))}\n`)
    } else {
      this.#host.refuse(error)
    }
  }

  #admitted(): void {
    if (this.#phase === 'closed') return
    this.#phase = 'admitted'
    this.#task = 'waiting'
    this.#admittedAt = performance.now()
    this.#route.executor.admitted++
    this.#route.executor.waiting++
    this.#sendHead()
  }

  /** @param body sent instead of a stream's events, where none is to start */
  #sendHead(body = ''): void {
    const payload: HeadPayload = new HeadPayload((destination, endsResponse) => {
      const { response, rawRequest } = this.#host
      if (destination !== response) {
        // Whoever pipes it on finds its error there. Without a listener it would end the process before that.
        destination.on('error', () => {})
        ;(destination as Partial<Writable>).destroy?.(new HF_ERR_PAYLOAD_WRAPPED(this.route))
        return
      }
      // Something else was replied meanwhile: the response is not ours.
      if (response.headersSent) return
      if (endsResponse) this.#endResponse = () => payload.finish()
      else payload.finish()
      const noBody = hasNoBody(rawRequest.method ?? '', response.statusCode)
      if (noBody || this.#phase !== 'admitted') {
        if (!noBody && body !== '') response.write(body)
        this.#endResponse()
        return
      }
      response.removeHeader('content-length')
      this.#host.detach()
      sendHead(response, () => this.#open())
    })
    this.#host.sendHead(payload)
  }

  /** Ends the response; whoever pipes a payload with trailers does it instead. */
  #endResponse = (): void => {
    this.#host.response.end()
  }

  #open(): void {
    if (this.#phase === 'closed') return
    this.#phase = 'open'
    this.#headAt = performance.now()
    const { options, executor, heartbeat } = this.#route
    this.#route.countOpened()
    heartbeat?.add(this.sink)
    if (this.#farewell !== undefined) {
      this.#settle()
      this.cut('shutdown', this.#farewell)
      return
    }
    if (options.retryMs !== undefined) this.sink.write(`${encodeRetry(options.retryMs)}\n`, 0)
    try {
      this.#watch(options.onOpen?.(this.stream, this.#host.request))
      if (this.stream.closed) this.#settle()
      else executor.executor.run(this)?.catch((error: unknown) => this.fail(error))
    } catch (error) {
      this.fail(error)
    }
  }

  produce(pause?: Pause): Promise<void> {
    if (this.#task !== 'waiting') return Promise.resolve()
    const settled = new Promise<void>((resolve) => (this.#onSettled = resolve))
    this.start()
    this.#produce(pause)
    return settled
  }

  #produce(pause: Pause | undefined): void {
    let done: Promise<void> | undefined
    try {
      done = run(this.producer, this.stream, this.input, pause)
    } catch (error) {
      this.fail(error)
      return
    }
    if (done === undefined) {
      this.#subscribed = true
      if (this.#phase === 'closed') this.#settle()
    } else {
      done.then(
        () => this.end(),
        (error: unknown) => this.fail(error),
      )
    }
  }

  start(): void {
    if (this.#task !== 'waiting') return
    this.#task = 'running'
    this.#startedAt = performance.now()
    this.#route.executor.waiting--
    this.#route.executor.running.add(this)
  }

  end(): void {
    this.#settle()
    this.stream.close()
  }

  fail(error: unknown): void {
    this.#settle()
    if (this.stream.closed) {
      // What was cancelled may well throw for it. Anything else is worth a line, though it ends nothing.
      if ((error as Partial<Error> | undefined)?.name !== 'AbortError') this.#logError(error)
      return
    }
    this.#reason ??= 'error'
    this.#error = error
    this.#logError(error)
    try {
      this.#watch(this.#route.options.onError?.(error, this.stream, this.#host.request))
    } catch (hookError) {
      this.#logError(hookError)
    }
    this.stream.close()
  }

  lose(error: Error): void {
    if (this.#task === 'done') return
    this.#settle()
    if (this.closed) return
    this.#route.executor.lost++
    this.#error = error
    this.#logError(error)
    this.cut('lost')
  }

  /**
   * Closes an open stream from outside, after what was taken so far.
   *
   * @param lastWords comments or fields that are sent before the end
   */
  cut(reason: CutReason, lastWords = ''): void {
    if (this.#phase !== 'open' || this.closed) return
    this.#reason = reason
    if (lastWords !== '') this.sink.write(lastWords, 0)
    if (reason === 'overflow') {
      // What waits for a client that does not read would wait for ever.
      this.sink.destroy()
      this.#host.response.destroy()
    } else {
      this.sink.end()
    }
    abortStream(this.stream, reason)
    this.#cancelTask(reason)
  }

  /**
   * The server closes: an open stream is cut; one that is on its way to be opened starts no producer.
   *
   * @param lastWords as for {@link cut}
   */
  shutDown(lastWords: string): void {
    if (this.#phase === 'open') this.cut('shutdown', lastWords)
    else this.#farewell = lastWords
  }

  /** Ends the connection without waiting for the client to take what it was sent. */
  destroy(): void {
    this.#host.response.destroy()
  }

  readonly #onResponseClose = (): void => {
    if (this.#phase === 'closed') return
    const wasOpen = this.#phase === 'open'
    this.#phase = 'closed'
    if (wasOpen) {
      this.#reason ??= this.#finished ? 'ended' : 'client'
      this.sink.destroy()
      if (this.#reason === 'client') abortStream(this.stream, 'client')
      this.#route.heartbeat?.delete(this.sink)
      if (this.#subscribed) this.#settle()
      // A producer that has closed its stream itself may take its time.
      else if (this.#reason !== 'ended') this.#cancelTask(this.#reason)
      const info = this.#info(this.#reason)
      this.#route.countClosed(info)
      try {
        this.#watch(this.#route.options.onClose?.(info, this.#host.request))
      } catch (error) {
        this.#logError(error)
      }
    } else {
      this.#settle()
    }
    this.#onClosed(this)
  }

  /** Tells the executor, and forgets a task that has not started. */
  #cancelTask(reason: CloseReason): void {
    if (this.#task === 'none' || this.#task === 'done') return
    this.#route.executor.executor.cancel?.(this, reason)
    if (this.#task === 'waiting') this.#settle()
  }

  /** The task is done: it counts no longer. */
  #settle(): void {
    if (this.#task === 'waiting') this.#route.executor.waiting--
    else if (this.#task === 'running') this.#route.executor.running.delete(this)
    this.#task = 'done'
    this.#onSettled?.()
  }

  /** Nobody waits for an async hook of the route; what it rejects with is logged. */
  #watch(returned: unknown): void {
    if (returned instanceof Promise) returned.catch((error: unknown) => this.#logError(error))
  }

  #logError(error: unknown): void {
    this.#host.log.error({ err: error, route: this.route, executor: this.executor }, 'event stream failed')
  }

  #info(reason: CloseReason): CloseInfo {
    const since = (time: number | undefined): number | undefined =>
      time === undefined ? undefined : time - this.#began
    return {
      reason,
      ...(this.#error === undefined ? {} : { error: this.#error }),
      executor: this.executor,
      events: this.sink.events,
      bytes: this.sink.bytes,
      dropped: 0,
      timings: {
        admittedMs: since(this.#admittedAt),
        headMs: since(this.#headAt),
        startedMs: since(this.#startedAt),
        firstEventMs: since(this.sink.firstEventAt),
        closedMs: performance.now() - this.#began,
      },
    }
  }
}

/** A refused client is asked to wait this long where the executor does not say, in ms. */
const DEFAULT_RETRY_MS = 1_000

/** Between once and twice as much, so that those who were refused together do not come back together. */
const jittered = (ms: number): number => Math.ceil(Math.max(ms, DEFAULT_RETRY_MS) * (1 + Math.random()))

const asError = (thrown: unknown): Error =>
  thrown instanceof Error ? thrown : new Error('The executor has refused the stream', { cause: thrown })
