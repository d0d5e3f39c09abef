import { AsyncResource } from 'node:async_hooks'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { Writable } from 'node:stream'
import { HF_ERR_CLIENT_LIMIT, HF_ERR_EXECUTOR_UNAVAILABLE, HF_ERR_PAYLOAD_WRAPPED } from '../errors.ts'
import { encodeRetry } from '../sse/event.ts'
import { dropConnectionHeaders, hasNoBody, HeadPayload, http2Stream, sendHead } from '../sse/head.ts'
import type { StreamLog } from '../sse/stream.ts'
import type { Task } from './executor.ts'
import { isThenable } from './producer.ts'
import type { Route } from './route.ts'

/** What a connection needs from its web framework. */
export interface Host<Request> {
  readonly request: Request
  readonly rawRequest: IncomingMessage
  readonly response: ServerResponse
  readonly log: StreamLog & { readonly level: string }
  /** Replies with an error. */
  refuse(error: Error): void
  /** Replies with a payload, which goes through all hooks and is then piped to the response. */
  sendHead(payload: HeadPayload): void
  /** The head leaves: from now on the framework does not end the response. */
  detach(): void
  /** The response has finished. */
  finished(): void
}

/** What ends with a stream: the response, or the payload where the framework ends the response after it. */
export interface Body {
  end(): unknown
}

/** What an opening opens: a connection. */
export interface Openable extends Task {
  /** The response is over: the client has left, or got something else. */
  readonly over: boolean
  /** The server closes: no producer starts any more. */
  readonly shuttingDown: boolean
  /** Counts the stream for its client. False when the client has as many as it may have. */
  enter(): boolean
  /** The client has left before the response had its turn, or before `reply.sse()`. */
  abandon(): void
  /** The executor has admitted it. False when the client has left meanwhile: then the executor's `cancel()` was called. */
  admitted(): boolean
  /** The head has left. */
  open(body: Body): void
}

/**
 * The way of a connection to its head. Each step may be the last: the client leaves, the executor refuses, a hook throws
 * or replies with something else.
 *
 * 1. the client has no more streams than it may have, those included that wait for their turn
 * 2. the response's turn on a pipelined connection
 * 3. the executor prepares for the task, and admits it
 * 4. the reply goes through the framework's hooks, up to the moment when its payload is piped
 * 5. status line and headers are handed to the kernel
 */
export class Opening<Request> {
  readonly #host: Host<Request>
  readonly #route: Route<Request>
  readonly #connection: Openable
  #isAdmitted = false

  constructor(host: Host<Request>, route: Route<Request>, connection: Openable) {
    this.#host = host
    this.#route = route
    this.#connection = connection
  }

  begin(): void {
    if (this.#hasLeft()) this.#connection.abandon()
    else if (this.#hasNoBody()) this.#sendHead()
    else if (!this.#connection.enter()) this.#refuse(this.#tooMany())
    else this.#whenResponseOwnsSocket(() => this.#prepare())
  }

  /** If the client disconnects before a slow handler calls `reply.sse()`, the response emits no 'close' any more. */
  #hasLeft(): boolean {
    const { response, rawRequest } = this.#host
    const stream = http2Stream(response)
    if (stream !== undefined) return stream.destroyed
    // A response that waits for its turn has no socket, and never emits 'close'.
    return response.destroyed || (response.socket === null && rawRequest.socket.destroyed)
  }

  /** Without a body there is nothing to produce, and no executor is needed. */
  #hasNoBody(): boolean {
    const { response, rawRequest } = this.#host
    return hasNoBody(rawRequest.method ?? '', response.statusCode)
  }

  /** A pipelined request is answered after those before it: until then its response has no socket. */
  #whenResponseOwnsSocket(proceed: () => void): void {
    const { response, rawRequest } = this.#host
    if (response.socket !== null || http2Stream(response) !== undefined) {
      proceed()
      return
    }
    // A response without a socket never emits 'close'.
    const { socket } = rawRequest
    const forget = onceClosed(socket, () => this.#connection.abandon())
    // The response before this one ends in the context of its own request.
    const proceedHere = AsyncResource.bind(proceed)
    response.once('socket', () => {
      forget()
      proceedHere()
    })
  }

  #prepare(): void {
    if (!this.#isWanted()) return
    let pending: void | Promise<void>
    try {
      pending = this.#route.slot.executor.prepare?.(this.#connection)
    } catch (error) {
      this.#refuseAsError(asError(error))
      return
    }
    if (!isThenable(pending)) {
      this.#admit()
      return
    }
    Promise.resolve(pending).then(
      () => this.#admit(),
      (error: unknown) => this.#connection.over || this.#refuseAsError(asError(error)),
    )
  }

  #admit(): void {
    if (!this.#isWanted()) return
    let pending: void | Promise<void>
    try {
      pending = this.#route.slot.admit(this.#connection)
    } catch (error) {
      this.#refuse(asError(error))
      return
    }
    if (pending === undefined) {
      this.#onAdmitted()
      return
    }
    pending.then(
      () => this.#onAdmitted(),
      (error: unknown) => this.#connection.over || this.#refuse(asError(error)),
    )
  }

  #onAdmitted(): void {
    if (!this.#connection.admitted() || !this.#isWanted()) return
    this.#isAdmitted = true
    this.#sendHead()
  }

  #tooMany(): Error {
    return Object.assign(new HF_ERR_CLIENT_LIMIT(this.#route.options.maxStreamsPerClient), {
      headers: { 'retry-after': String(CLIENT_RETRY_MS / 1_000) },
      retryAfterMs: CLIENT_RETRY_MS,
    })
  }

  /** False when the client has left, or the server closes: then the client gets 503. */
  #isWanted(): boolean {
    if (this.#connection.over) return false
    if (!this.#connection.shuttingDown) return true
    this.#refuse(new HF_ERR_EXECUTOR_UNAVAILABLE(this.#connection.executor, 'the server is closing'))
    return false
  }

  /** The stream can never run, so that a client should not come back. */
  #refuseAsError(error: Error): void {
    this.#route.moments.refused?.(this.#connection, error)
    this.#host.refuse(error)
  }

  #refuse(error: Error & { retryAfterMs?: number }): void {
    if (this.#route.options.refusal === 'retry') {
      this.#route.moments.refused?.(this.#connection, error)
      this.#sendHead(encodeRetry(jittered(error.retryAfterMs ?? DEFAULT_RETRY_MS)))
    } else {
      this.#refuseAsError(error)
    }
  }

  /** @param body sent in place of events, where no stream starts */
  #sendHead(body = ''): void {
    const { response } = this.#host
    const payload: HeadPayload = new HeadPayload(response, (destination, endsResponse) => {
      if (destination !== response) {
        // The hook that has piped it on gets the error there. Without a listener the error would end the process first.
        destination.on('error', () => {})
        ;(destination as Partial<Writable>).destroy?.(new HF_ERR_PAYLOAD_WRAPPED(this.#route.name))
        return
      }
      // Another reply was sent meanwhile.
      if (response.headersSent) return
      dropConnectionHeaders(response)
      // Fastify ends the response after a payload with trailers itself.
      const ending: Body = endsResponse ? payload : response
      if (!endsResponse) payload.end()
      if (this.#isAdmitted && !this.#hasNoBody()) {
        response.removeHeader('content-length')
        this.#host.detach()
        sendHead(response, () => this.#connection.open(ending))
        return
      }
      if (!this.#hasNoBody() && body !== '') {
        response.removeHeader('content-encoding')
        response.removeHeader('content-length')
        response.write(body)
      }
      ending.end()
    })
    this.#host.sendHead(payload)
  }
}

/** By connection, what is called when it closes. */
const closing = new WeakMap<Socket, Set<() => void>>()

/**
 * Calls back when a connection closes. Any number of requests may wait on one connection, and with a listener for each
 * Node would warn of a leak.
 *
 * @returns takes the callback back
 */
function onceClosed(socket: Socket, callback: () => void): () => void {
  let callbacks = closing.get(socket)
  if (callbacks === undefined) {
    const all = (callbacks = new Set<() => void>())
    closing.set(socket, all)
    socket.once('close', () => {
      for (const each of all) each()
    })
  }
  callbacks.add(callback)
  return () => void closing.get(socket)?.delete(callback)
}

/** How long a refused client waits where the executor names no time, in ms. */
const DEFAULT_RETRY_MS = 1_000

/** When a client with too many streams may try again, in ms: when it closes one is not known. */
const CLIENT_RETRY_MS = 10_000

/** Between once and twice as much, so that clients that are refused together do not come back together. */
const jittered = (ms: number): number => Math.ceil(Math.max(ms, DEFAULT_RETRY_MS) * (1 + Math.random()))

const asError = (thrown: unknown): Error =>
  thrown instanceof Error ? thrown : new Error('The executor has refused the stream', { cause: thrown })
