import type { FastifyReply, FastifyRequest, onSendHookHandler } from 'fastify'
import type { Host } from '../runtime/opening.ts'
import type { ContentCoding } from '../sse/compression.ts'
import { EVENT_STREAM_HEADERS, HeadPayload } from '../sse/head.ts'

/** Requests whose event stream was given a content coding. */
const encoded = new WeakSet<FastifyRequest>()

const HEADERS = Object.entries(EVENT_STREAM_HEADERS)

/** A Fastify reply, as its connection sees it. A class and no closures, so that an idle stream holds little memory. */
export class ReplyHost implements Host<FastifyRequest> {
  readonly #reply: FastifyReply
  readonly #coding: ContentCoding | undefined
  /** Listeners of `request.signal` to the request's close. */
  #signalListeners: (() => void)[] | undefined

  constructor(reply: FastifyReply, coding: ContentCoding | undefined) {
    this.#reply = reply
    this.#coding = coding
  }

  get request(): FastifyRequest {
    return this.#reply.request
  }

  get rawRequest(): FastifyRequest['raw'] {
    return this.#reply.request.raw
  }

  get response(): FastifyReply['raw'] {
    return this.#reply.raw
  }

  get log(): FastifyReply['log'] {
    return this.#reply.log
  }

  refuse(error: Error): void {
    this.#reply.send(error)
  }

  sendHead(payload: HeadPayload): void {
    const reply = this.#reply
    for (const [name, value] of HEADERS) if (!reply.hasHeader(name)) reply.header(name, value)
    if (this.#coding !== undefined) {
      reply.header('content-encoding', this.#coding)
      encoded.add(reply.request)
    } else if (reply.server.hasPlugin('@fastify/compress')) {
      // With this header the plugin does not compress the response. It would hold events back.
      reply.request.headers['x-no-compression'] = 'event stream'
    }
    reply.send(payload)
  }

  /**
   * Takes the reply over from Fastify, so that a `handlerTimeout` does not cut the stream. `hijack()` also
   * detaches `request.signal` from the request; it is attached again, until the response has finished.
   */
  detach(): void {
    const { raw } = this.#reply.request
    const before = raw.listeners('close') as (() => void)[]
    this.#reply.hijack()
    if (raw.listenerCount('close') === before.length) return
    const after = new Set(raw.listeners('close'))
    this.#signalListeners = before.filter((listener) => !after.has(listener))
    for (const listener of this.#signalListeners) raw.on('close', listener)
  }

  finished(): void {
    const { raw } = this.#reply.request
    for (const listener of this.#signalListeners ?? []) raw.removeListener('close', listener)
    // Once more, for a `request.signal` that was first read in the meantime.
    this.#reply.hijack()
  }
}

/** If a hook throws, its error leaves in place of the event stream, and is not compressed. */
export const unmarkOther: onSendHookHandler = (request, reply, payload, done) => {
  // To a HEAD request Fastify has replaced the payload by none.
  if (encoded.has(request) && payload != null && !(payload instanceof HeadPayload)) {
    reply.removeHeader('content-encoding')
    reply.raw.removeHeader('content-encoding')
  }
  done(null, payload)
}
