/**
 * A stream's life from its head to its close. One class, and longer than most, because whatever ends a stream
 * (the producer, the client, the executor, a limit, the server) meets here, and only one of them may win.
 */
import { AsyncResource } from 'node:async_hooks'
import type { ServerResponse } from 'node:http'
import { HF_ERR_STREAM_LEFT_OPEN } from '../errors.ts'
import type { ContentCoding } from '../sse/compression.ts'
import { encodeRetry, type Serializer } from '../sse/event.ts'
import { breakOff, isDelivered, isHandedOver } from '../sse/head.ts'
import { ResponseSink } from '../sse/response-sink.ts'
import { abortStream, EventStream, isSignalled, type CloseReason, type StreamContext } from '../sse/stream.ts'
import { endTerminatedSession } from '../sse/terminated-sessions.ts'
import { hasTimedOut, watchTimeout, type Transport } from './connection-timeout.ts'
import { connectionTimeout, Deadlines } from './deadlines.ts'
import type { CutReason, Task } from './executor.ts'
import { Opening, type Body, type Host, type Openable } from './opening.ts'
import { drawRetryMs, dropPolicy, type CloseInfo } from './options.ts'
import { isThenable, run, type Pause, type Producer } from './producer.ts'
import type { Route } from './route.ts'
import { SteadyLog } from './steady-log.ts'

/** The scope, which keeps the connections. */
interface Owner<Request> {
  /** Counts one more stream of a client. False, and not counted, when it has as many as it may have. */
  enter(client: string, most: number): boolean
  delete(connection: Connection<Request>): void
}

/**
 * One client's connection, from `reply.sse()` to its close; to its executor, a {@link Task}.
 *
 * Until its head has left it is being opened (see {@link Opening}); then it is open: the executor has the task,
 * the client the events; then it is over, in whichever way, and `onClose` was called.
 *
 * The task has a life of its own next to it, since a producer may go on after its client has left. Whether it
 * waits or runs is known to its executor's slot alone, which counts it.
 *
 * What wakes a stream is seldom its own request: the response before it on the connection, a queue, a message of a
 * thread, a timer for all. So whatever is called from outside first goes back to where `reply.sse()` was called
 * (`#context`), and the producer and all hooks find the request's own values in an `AsyncLocalStorage`.
 */
export class Connection<Request> implements Openable {
  readonly #host: Host<Request>
  readonly #route: Route<Request>
  readonly #owner: Owner<Request>
  readonly #context = new AsyncResource('headfirst.stream')
  readonly #began = performance.now()
  /** What is ended when the stream is; set while the connection is open, and after. */
  #body: Body | undefined
  #deadlines: Deadlines | undefined
  /** What carries the response; set when the connection is opened. */
  #transport: Transport | undefined
  #over = false
  /** The response was ended, and all of it handed to the kernel. */
  #finished = false
  /** The producer has returned, and left its stream open: its task is done when the stream is. */
  #subscribed = false
  /** Its executor was told, once, that nothing more is wanted of its task. */
  #isCancelled = false
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
  readonly log: SteadyLog
  readonly #coding: ContentCoding | undefined
  readonly #client: string | undefined
  /** Whom the stream was counted for, until it is over. */
  countedFor: string | undefined
  coded: Task['coded']

  /** @param owner told when the connection is over, opened or not */
  constructor(
    host: Host<Request>,
    route: Route<Request>,
    producer: Producer<never>,
    input: unknown,
    settings: {
      serializer: Serializer | undefined
      lastEventId: string | undefined
      context: StreamContext
      /** What the client and the route have agreed on. */
      coding: ContentCoding | undefined
      /** Whose stream it is; undefined where nobody counts. */
      client: string | undefined
    },
    owner: Owner<Request>,
  ) {
    this.#host = host
    this.#route = route
    this.#owner = owner
    this.producer = producer
    this.input = input
    this.lastEventId = settings.lastEventId
    this.#coding = settings.coding
    this.#client = settings.client
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
      onEnd: () => this.#inContext(() => this.#endBody()),
    })
    this.log = new SteadyLog(host.log, this.#context)
    // A producer's own lines keep what is around them where it logs, such as a span of its own.
    this.stream = new EventStream(this.sink, { ...settings, log: new SteadyLog(host.log) })
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
    return this.#over || this.#reason !== undefined
  }

  get over(): boolean {
    return this.#over
  }

  get shuttingDown(): boolean {
    return this.#farewell !== undefined
  }

  /** From here on everything happens by itself. */
  begin(): void {
    this.#host.response.on('close', this.#onResponseClose)
    new Opening(this.#host, this.#route, this).begin()
  }

  enter(): boolean {
    const { maxStreamsPerClient } = this.#route.options
    if (this.#client === undefined || maxStreamsPerClient === undefined) return true
    if (!this.#owner.enter(this.#client, maxStreamsPerClient)) return false
    this.countedFor = this.#client
    return true
  }

  abandon(): void {
    this.#onResponseClose()
  }

  #inContext(call: () => void): void {
    this.#context.runInAsyncScope(call)
  }

  admitted(): boolean {
    this.#admittedAt = performance.now()
    this.#route.moments.admitted?.(this)
    if (!this.#over) return true
    this.#inContext(() => this.#cancelTask('client'))
    return false
  }

  open(body: Body): void {
    this.#inContext(() => this.#open(body))
  }

  #open(body: Body): void {
    if (this.#over) return
    this.#body = body
    this.#transport = watchTimeout(this.#host.response)
    this.#headAt = performance.now()
    const { options, slot, heartbeat } = this.#route
    this.#route.moments.head?.(this)
    const retry = options.retryMs === undefined ? '' : encodeRetry(drawRetryMs(options.retryMs))
    this.#chooseCompression(retry)
    heartbeat?.add(this.sink)
    if (this.#farewell !== undefined) {
      this.cut('shutdown', undefined, this.#farewell)
      return
    }
    this.#deadlines = Deadlines.of(options.timeouts, this)
    if (retry !== '' && this.coded === undefined) this.sink.write(retry, 0)
    try {
      this.#watch(options.onOpen?.(this.stream, this.#host.request))
    } catch (error) {
      this.#cancelTask('error')
      this.fail(error)
      return
    }
    if (this.stream.closed) {
      this.#cancelTask('ended')
      return
    }
    try {
      this.#watch(slot.executor.run(this), (error) => this.fail(error))
    } catch (error) {
      this.fail(error)
    }
  }

  /**
   * A body is compressed where its producer runs, unless something has to be done with the events before that on
   * this thread: a hook may send some, or the overflow drop some.
   */
  #chooseCompression(firstWords: string): void {
    const coding = this.#coding
    // A hook may have changed its mind.
    if (coding === undefined || this.#host.response.getHeader('content-encoding') !== coding) return
    const { options, slot } = this.#route
    if (slot.executor.compresses === true && options.onOpen === undefined && !dropPolicy(options)) {
      this.coded = { coding, firstWords }
      this.sink.expectCoded(coding, firstWords)
    } else {
      this.sink.compress(coding)
    }
  }

  produce(pause?: Pause): Promise<void> {
    if (!this.#route.slot.isWaiting(this)) return Promise.resolve()
    const settled = new Promise<void>((resolve) => (this.#onSettled = resolve))
    this.#start(true)
    this.#inContext(() => this.#produce(pause))
    this.#route.moments.held?.(this, performance.now() - (this.#startedAt as number))
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
      if (this.#over) this.#settle()
      else if (!this.stream.closed && !isSignalled(this.stream)) this.leftOpen()
    } else {
      done.then(
        () => this.end(),
        (error: unknown) => this.fail(error),
      )
    }
  }

  start(): void {
    this.#start(false)
  }

  #start(here: boolean): void {
    const { slot, moments } = this.#route
    if (!slot.start(this)) return
    this.#startedAt = performance.now()
    moments.started?.(this, { waitedMs: this.#startedAt - (this.#headAt ?? this.#startedAt), here })
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
      this.#settle()
      this.stream.close()
    })
  }

  /** All that was taken has been handed over. */
  #endBody(): void {
    const host = this.#host
    const { response } = host
    // Node also tells that it has finished when the socket broke under what still waited. That is seen before
    // Node's own listener has detached the socket.
    response.prependOnceListener('finish', () => {
      this.#finished ||= isDelivered(response)
      this.#deadlines?.stop()
      host.finished()
    })
    this.#body?.end()
    // Nothing waited: whatever becomes of the socket, the kernel has all.
    this.#finished ||= isHandedOver(response)
  }

  fail(error: unknown): void {
    this.#inContext(() => this.#fail(error))
  }

  #fail(error: unknown): void {
    this.#settle()
    if (this.stream.closed) {
      // What was cancelled may well throw for it. Anything else is worth a line, though it ends nothing.
      if (!isAbortError(error)) this.#logError(error)
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
    if (!this.#settle() || this.closed) return
    this.#logError(error)
    // The producer had closed it: what it sent is on its way, and nothing is lost.
    if (this.stream.closed) return
    this.#route.slot.countLost()
    this.#error = error
    this.cut('lost')
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
    if (this.#body === undefined || this.closed) return
    if (!this.stream.closed && (reason === 'timeout' || reason === 'shutdown')) {
      this.#route.slot.executor.collect?.(this)
      // What stood there may have been its error, or its end.
      if (this.closed || (reason === 'shutdown' && this.stream.closed)) return
    }
    this.#reason = reason
    if (error !== undefined) this.#noteCut(error)
    if (lastWords !== '') this.sink.write(lastWords, 0)
    if (reason === 'overflow') {
      // What waits for a client that does not read would wait for ever.
      this.sink.destroy()
      breakOff(this.#host.response)
    } else {
      this.sink.end()
    }
    this.#stop(reason)
  }

  #noteCut(error: Error): void {
    this.#error = error
    this.log.debug({ err: error, route: this.route, executor: this.executor }, 'event stream cut')
  }

  #stop(reason: CutReason): void {
    abortStream(this.stream, reason)
    this.#cancelTask(reason)
  }

  /**
   * The server closes: an open stream is cut; one that is on its way to be opened starts no producer; one that has
   * ended may deliver what it has.
   *
   * @param lastWords as for {@link cut}
   */
  shutDown(lastWords: string): void {
    if (this.#body === undefined) {
      this.#farewell = lastWords
    } else if (this.stream.closed) {
      if (!this.#route.slot.isRunning(this)) return
      this.#inContext(() => this.#stop('shutdown'))
    } else {
      this.cut('shutdown', undefined, lastWords)
    }
  }

  /** The grace of the shutdown is over: nobody waits any more for the client to take what it was sent. */
  destroy(): void {
    this.#reason ??= 'shutdown'
    breakOff(this.#host.response)
    // Its event comes a turn later, when the server may be gone already with all that `onClose` needs.
    this.#onResponseClose()
  }

  readonly #onResponseClose = (): void => this.#inContext(() => this.#close())

  #close(): void {
    if (this.#over) return
    this.#over = true
    this.#deadlines?.stop()
    if (this.#body !== undefined) {
      if (this.#reason === undefined) {
        const brokenBy = hasTimedOut(this.#transport) ? 'timeout' : 'client'
        this.#reason = this.#finished ? 'ended' : brokenBy
        if (this.#reason === 'timeout') this.#noteCut(connectionTimeout())
        if (this.#reason !== 'ended') abortStream(this.stream, this.#reason)
      }
      this.sink.destroy()
      this.#route.heartbeat?.delete(this.sink)
      if (this.#subscribed) this.#settle()
      // A producer that has closed its stream itself may take its time.
      else if (this.#reason !== 'ended') this.#cancelTask(this.#reason)
      const info = this.#info(this.#reason)
      this.#route.moments.closed?.(this, info)
      try {
        this.#watch(this.#route.options.onClose?.(info, this.#host.request))
      } catch (error) {
        this.#logError(error)
      }
    } else if (this.#farewell !== undefined) {
      this.#cancelTask('shutdown')
    } else {
      // With an error of a later hook, or whatever else was replied.
      this.#cancelTask(this.#host.response.writableFinished ? 'error' : 'client')
    }
    this.#owner.delete(this)
  }

  /** Tells the executor, and forgets a task that has not started, or was never given to run. */
  #cancelTask(reason: CloseReason): void {
    const { slot } = this.#route
    const waits = slot.isWaiting(this)
    const isDue = !this.#isCancelled && (waits || slot.isRunning(this))
    this.#isCancelled ||= isDue
    try {
      if (isDue) slot.executor.cancel?.(this, reason)
    } catch (error) {
      this.#logError(error)
    }
    if (waits) this.#settle()
  }

  /** The task counts no longer. False when it did not. */
  #settle(): boolean {
    this.#onSettled?.()
    const { slot } = this.#route
    const counted = slot.settle(this)
    // Only a producer on this thread has a caller of produce() that waits for it.
    if (counted && this.#onSettled !== undefined) this.#route.moments.done?.(this)
    return counted
  }

  /**
   * Nobody waits for what a hook returns, but whatever has a `then` is followed to its end: a query of some libraries
   * begins when it is called.
   *
   * @param failed told what it rejects with. Default: logs it
   */
  #watch(returned: unknown, failed: (error: unknown) => void = this.#logError): void {
    if (isThenable(returned)) Promise.resolve(returned).catch(failed)
  }

  readonly #logError = (error: unknown): void => {
    this.log.error({ err: error, route: this.route, executor: this.executor }, 'event stream failed')
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
      dropped: this.sink.dropped,
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

/** Whatever was thrown, also an object whose getters throw. */
function isAbortError(thrown: unknown): boolean {
  try {
    return (thrown as Partial<Error> | null | undefined)?.name === 'AbortError'
  } catch {
    return false
  }
}
