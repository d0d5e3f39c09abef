/**
 * Long, because whatever ends a stream (the producer, the client, the executor, a limit, the server) meets in this one
 * class, and only the first of them may win.
 */
import { AsyncResource } from 'node:async_hooks'
import type { ServerResponse } from 'node:http'
import { HF_ERR_STREAM_LEFT_OPEN } from '../errors.ts'
import type { ContentCoding } from '../sse/compression.ts'
import { encodeRetry, type Serializer } from '../sse/event.ts'
import { breakOff } from '../sse/head.ts'
import { ResponseSink } from '../sse/response-sink.ts'
import { abortStream, EventStream, isSignalled, type CloseReason, type StreamContext } from '../sse/stream.ts'
import { endTerminatedSession } from '../sse/terminated-sessions.ts'
import type { Seat } from './clients.ts'
import type { CloseInfo } from './close-info.ts'
import { connectionTimeout } from './deadlines.ts'
import { Delivery } from './delivery.ts'
import type { CutReason, Task } from './executor.ts'
import { Opening, type Body, type Host, type Openable } from './opening.ts'
import { isThenable, run, type Pause, type Producer } from './producer.ts'
import { Production } from './production.ts'
import { drawRetryMs, dropPolicy } from './resolve-options.ts'
import type { Route } from './route.ts'
import { SteadyLog } from './steady-log.ts'

/**
 * Where a connection stands. It passes through in this order, and may skip `open` and `closing`.
 *
 * - `opening`: its head has not left (see {@link Opening})
 * - `open`: its head has left. Its producer may have closed the stream: then what was sent is still being delivered
 * - `closing`: why it ends is decided (an error, or a cut from outside). What was taken is still being delivered
 * - `over`: its response is over, and `onClose` was called if the head had left
 */
type Phase = 'opening' | 'open' | 'closing' | 'over'

/** What a connection is made of, beside the host and the route. */
export interface ConnectionSettings {
  producer: Producer<never>
  input: unknown
  serializer: Serializer | undefined
  lastEventId: string | undefined
  context: StreamContext
  /** The content coding that the client and the route have agreed on. */
  coding: ContentCoding | undefined
  /** Counts the stream for its client; undefined where nothing is counted. */
  seat: Seat | undefined
}

/**
 * One client's connection, from `reply.sse()` to its close; to its executor, a {@link Task}.
 *
 * Its parts have each a life of their own: the {@link Opening} ends with the head, the {@link Delivery} begins with it,
 * the {@link Production} may outlive both.
 *
 * What wakes a stream is seldom its own request: the response before it on the connection, a queue, a message of a
 * thread, a timer for all. So every call from outside first goes back to where `reply.sse()` was called (`#context`),
 * and the producer and all hooks find the request's own values in an `AsyncLocalStorage`.
 */
export class Connection<Request> implements Openable {
  readonly #host: Host<Request>
  readonly #route: Route<Request>
  /** The connections of its scope, this one included until it is over. */
  readonly #siblings: { delete(connection: Connection<Request>): void }
  readonly #context = new AsyncResource('headfirst.stream')
  readonly #began = performance.now()
  readonly #production: Production
  readonly #coding: ContentCoding | undefined
  readonly #seat: Seat | undefined

  #phase: Phase = 'opening'
  /** Set with the head. */
  #delivery: Delivery | undefined
  /** Set from the phase `closing` on; for a response that came to its end by itself from `over` on. */
  #reason: CloseReason | undefined
  #error: unknown
  /** Set when the server closes before the head has left. */
  #farewell: string | undefined
  #admittedAt: number | undefined

  readonly producer: Producer<never>
  readonly input: unknown
  readonly lastEventId: string | undefined
  readonly sink: ResponseSink
  readonly stream: EventStream
  readonly log: SteadyLog
  coded: Task['coded']

  constructor(
    host: Host<Request>,
    route: Route<Request>,
    settings: ConnectionSettings,
    siblings: { delete(connection: Connection<Request>): void },
  ) {
    this.#host = host
    this.#route = route
    this.#siblings = siblings
    this.#coding = settings.coding
    this.#seat = settings.seat
    this.producer = settings.producer
    this.input = settings.input
    this.lastEventId = settings.lastEventId
    const { flush, highWaterMark, maxBuffered, overflow } = route.options
    this.sink = new ResponseSink(host.response, {
      flush,
      highWaterMark,
      maxBuffered,
      drop: dropPolicy(route.options),
      onOverflow: () => {
        if (overflow === 'close') this.cut('overflow')
      },
      ...(route.moments.firstEvent && { onFirstEvent: () => route.moments.firstEvent?.(this) }),
      onBehind: () => endTerminatedSession(host.response),
      onEnd: () => this.#inContext(() => this.#delivery?.end()),
    })
    this.log = new SteadyLog(host.log, this.#context)
    // A producer's own lines keep what is around them where it logs, such as a span of its own.
    this.stream = new EventStream(this.sink, { ...settings, log: new SteadyLog(host.log) })
    this.#production = new Production(this, route)
  }

  get executor(): string {
    return this.#route.slot.name
  }

  get route(): string {
    return this.#route.name
  }

  get context(): StreamContext {
    return this.stream.context
  }

  get options(): Openable['options'] {
    return this.#route.options
  }

  get response(): ServerResponse {
    return this.#host.response
  }

  get closed(): boolean {
    return this.#phase === 'closing' || this.#phase === 'over'
  }

  get over(): boolean {
    return this.#phase === 'over'
  }

  get shuttingDown(): boolean {
    return this.#farewell !== undefined
  }

  #inContext(call: () => void): void {
    this.#context.runInAsyncScope(call)
  }

  // The opening.

  /** From here on everything happens by itself. */
  begin(): void {
    this.#host.response.on('close', this.#onResponseClose)
    new Opening(this.#host, this.#route, this).begin()
  }

  enter(): boolean {
    return this.#seat?.take() ?? true
  }

  abandon(): void {
    this.#onResponseClose()
  }

  admitted(): boolean {
    this.#admittedAt = performance.now()
    this.#route.moments.admitted?.(this)
    if (!this.over) return true
    this.#inContext(() => this.#cancel('client'))
    return false
  }

  open(body: Body): void {
    this.#inContext(() => this.#open(body))
  }

  #open(body: Body): void {
    if (this.over) return
    const { options, slot, heartbeat, moments } = this.#route
    const delivery = (this.#delivery = new Delivery(this.#host, body))
    if (this.#phase === 'opening') this.#phase = 'open'
    // Its executor has ended it before its head.
    if (this.sink.closed) delivery.end()
    moments.head?.(this)
    const retry = options.retryMs === undefined ? '' : encodeRetry(drawRetryMs(options.retryMs))
    this.#chooseCompression(retry)
    heartbeat?.add(this.sink)
    if (this.#farewell !== undefined) {
      this.cut('shutdown', undefined, this.#farewell)
      return
    }
    delivery.limit(options.timeouts, this)
    if (retry !== '' && this.coded === undefined) this.sink.write(retry, 0)
    try {
      this.#watch(options.onOpen?.(this.stream, this.#host.request))
    } catch (error) {
      this.#cancel('error')
      this.fail(error)
      return
    }
    if (this.stream.closed) {
      this.#cancel('ended')
      return
    }
    try {
      this.#watch(slot.executor.run(this), (error) => this.fail(error))
    } catch (error) {
      this.fail(error)
    }
  }

  /**
   * A body is compressed where its producer runs, unless this thread has to do something with the events before that:
   * a hook may send some, or the overflow drop some.
   */
  #chooseCompression(firstWords: string): void {
    const coding = this.#coding
    // A hook of Fastify may have removed the header.
    if (coding === undefined || this.#host.response.getHeader('content-encoding') !== coding) return
    const { options, slot } = this.#route
    if (slot.executor.compresses === true && options.onOpen === undefined && !dropPolicy(options)) {
      this.coded = { coding, firstWords }
      this.sink.expectCoded(coding, firstWords)
    } else {
      this.sink.compress(coding)
    }
  }

  // The producer, which its executor starts and ends.

  produce(pause?: Pause): Promise<void> {
    if (!this.#production.isWaiting) return Promise.resolve()
    return this.#production.startHere(this.#delivery?.headAt, () => this.#inContext(() => this.#run(pause)))
  }

  #run(pause: Pause | undefined): void {
    let done: Promise<void> | undefined
    try {
      done = run(this.producer, this.stream, this.input, pause)
    } catch (error) {
      this.fail(error)
      return
    }
    if (done === undefined) {
      this.#production.subscribe()
      if (this.over) this.#production.settle()
      else if (!this.stream.closed && !isSignalled(this.stream)) this.leftOpen()
    } else {
      done.then(
        () => this.end(),
        (error: unknown) => this.fail(error),
      )
    }
  }

  start(): void {
    this.#production.start(this.#delivery?.headAt)
  }

  leftOpen(): void {
    const route = this.#route
    if (route.warnedLeftOpen) return
    route.warnedLeftOpen = true
    const err = new HF_ERR_STREAM_LEFT_OPEN(this.route)
    this.log.warn({ err, route: this.route, executor: this.executor }, 'a producer has left its stream open')
  }

  close(): void {
    this.#inContext(() => this.stream.close())
  }

  end(): void {
    this.#inContext(() => {
      this.#production.settle()
      this.stream.close()
    })
  }

  fail(error: unknown): void {
    this.#inContext(() => this.#fail(error))
  }

  #fail(error: unknown): void {
    this.#production.settle()
    if (this.stream.closed) {
      // A cancelled producer often throws an AbortError. Any other error is logged, though it ends nothing.
      if (!isAbortError(error)) this.#logError(error)
      return
    }
    this.#decide('error', error)
    this.#logError(error)
    try {
      this.#watch(this.#route.options.onError?.(error, this.stream, this.#host.request))
    } catch (hookError) {
      this.#logError(hookError)
    }
    this.stream.close()
  }

  lose(error: Error): void {
    if (!this.#production.settle() || this.closed) return
    this.#logError(error)
    // The producer had closed it: what it sent is on its way, and nothing is lost.
    if (this.stream.closed) return
    this.#route.slot.countLost()
    this.#error = error
    this.cut('lost')
  }

  // The end.

  /** Why it ends; the first reason stays. */
  #decide(reason: CloseReason, error?: unknown): void {
    if (this.#phase !== 'over') this.#phase = 'closing'
    this.#reason ??= reason
    if (error !== undefined) this.#error = error
  }

  /**
   * Closes an open stream from outside, after what was taken so far.
   *
   * @param lastWords comment lines or `retry` lines that are sent before the end
   */
  cut(reason: CutReason, error?: Error, lastWords = ''): void {
    this.#inContext(() => this.#cut(reason, error, lastWords))
  }

  #cut(reason: CutReason, error: Error | undefined, lastWords: string): void {
    if (this.#phase !== 'open') return
    if (!this.stream.closed && (reason === 'timeout' || reason === 'shutdown')) {
      this.#route.slot.executor.collect?.(this)
      // What was collected may hold the producer's error, or its end.
      if (this.closed || (reason === 'shutdown' && this.stream.closed)) return
    }
    this.#decide(reason)
    if (error !== undefined) this.#noteCut(error)
    if (lastWords !== '') this.sink.write(lastWords, 0)
    if (reason === 'overflow') {
      // What waits for a client that does not read would wait for ever.
      this.sink.destroy()
      breakOff(this.#host.response)
    } else {
      this.sink.end()
    }
    this.#abort(reason)
  }

  #noteCut(error: Error): void {
    this.#error = error
    this.log.debug({ err: error, route: this.route, executor: this.executor }, 'event stream cut')
  }

  #abort(reason: CutReason): void {
    abortStream(this.stream, reason)
    this.#cancel(reason)
  }

  /**
   * The server closes: an open stream is cut; one whose head has not left starts no producer; what one that has ended
   * still has to deliver is delivered.
   *
   * @param lastWords as for {@link cut}
   */
  shutDown(lastWords: string): void {
    if (this.#delivery === undefined) {
      this.#farewell = lastWords
    } else if (this.stream.closed) {
      if (this.#production.isRunning) this.#inContext(() => this.#abort('shutdown'))
    } else {
      this.cut('shutdown', undefined, lastWords)
    }
  }

  /** Ends the response at once, whatever its client has not taken: the grace of a shutdown, or of a limit, is over. */
  destroy(): void {
    this.#decide('shutdown')
    breakOff(this.#host.response)
    // Its event comes a turn later, when the server may be gone already with all that `onClose` needs.
    this.#onResponseClose()
  }

  readonly #onResponseClose = (): void => this.#inContext(() => this.#close())

  #close(): void {
    if (this.over) return
    this.#phase = 'over'
    this.#delivery?.stop()
    if (this.#delivery === undefined) this.#cancel(this.#reasonWithoutHead())
    else this.#closeOpened(this.#delivery)
    this.#seat?.leave()
    this.#siblings.delete(this)
  }

  #reasonWithoutHead(): CloseReason {
    if (this.shuttingDown) return 'shutdown'
    // With an error of a later hook, or another reply.
    return this.#host.response.writableFinished ? 'error' : 'client'
  }

  #closeOpened(delivery: Delivery): void {
    if (this.#reason === undefined) {
      this.#reason = delivery.outcome()
      if (this.#reason === 'timeout') this.#noteCut(connectionTimeout())
      if (this.#reason !== 'ended') abortStream(this.stream, this.#reason)
    }
    this.sink.destroy()
    this.#route.heartbeat?.delete(this.sink)
    if (this.#production.isSubscribed) this.#production.settle()
    // A producer that has closed its stream itself may go on.
    else if (this.#reason !== 'ended') this.#cancel(this.#reason)
    const info = this.#info(this.#reason, delivery)
    this.#route.moments.closed?.(this, info)
    try {
      this.#watch(this.#route.options.onClose?.(info, this.#host.request))
    } catch (error) {
      this.#logError(error)
    }
  }

  #cancel(reason: CloseReason): void {
    try {
      this.#production.cancel(reason)
    } catch (error) {
      this.#logError(error)
    }
  }

  /**
   * Nothing waits for what a hook returns, but whatever has a `then` is followed to its end: a query of some libraries
   * begins when it is called.
   *
   * @param failed called with what it rejects with. Default: logs it
   */
  #watch(returned: unknown, failed: (error: unknown) => void = this.#logError): void {
    if (isThenable(returned)) Promise.resolve(returned).catch(failed)
  }

  readonly #logError = (error: unknown): void => {
    this.log.error({ err: error, route: this.route, executor: this.executor }, 'event stream failed')
  }

  #info(reason: CloseReason, delivery: Delivery): CloseInfo {
    const since = (time: number | undefined): number | undefined =>
      time === undefined ? undefined : time - this.#began
    return {
      reason,
      ...(this.#error === undefined ? {} : { error: this.#error }),
      executor: this.executor,
      events: this.sink.events,
      bytes: this.sink.bytes,
      dropped: this.sink.dropped,
      timings: {
        admittedMs: since(this.#admittedAt),
        headMs: since(delivery.headAt),
        startedMs: since(this.#production.startedAt),
        firstEventMs: since(this.sink.firstEventAt),
        closedMs: performance.now() - this.#began,
      },
    }
  }
}

/** Of anything that can be thrown, such as an object whose getters throw. */
function isAbortError(thrown: unknown): boolean {
  try {
    return (thrown as Partial<Error> | null | undefined)?.name === 'AbortError'
  } catch {
    return false
  }
}
