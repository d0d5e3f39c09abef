/** The request's `Accept` header, and `Vary: Accept` where the response depends on it (RFC 9110, 12.5). */
import type { FastifyRequest, onSendHookHandler } from 'fastify'
import { HF_ERR_OPTION_INVALID } from '../errors.ts'
import { show } from '../sse/event.ts'
import { acceptsEventStream, isMediaType, prefersEventStream } from '../sse/negotiation.ts'
import { varyOn } from '../sse/vary.ts'

/** Requests whose response depends on their `Accept` header. */
const negotiated = new WeakSet<FastifyRequest>()

/** Whether the request allows an event stream. Its response, whichever it is, gets `Vary: Accept`. */
export function accepts(request: FastifyRequest): boolean {
  negotiated.add(request)
  return acceptsEventStream(request.headers.accept)
}

/** `request.prefersEventStream()`. */
export function prefers(
  this: FastifyRequest,
  over: string | readonly string[] = 'application/json',
): boolean {
  const types = [over].flat()
  if (types.length === 0 || !types.every(isMediaType)) {
    const expected = "a media type without wildcards, as 'application/json', or an array of such"
    throw new HF_ERR_OPTION_INVALID('over', 'request.prefersEventStream()', expected, show(over))
  }
  negotiated.add(this)
  return prefersEventStream(this.headers.accept, types)
}

/** Caches have to know what the response depends on (RFC 9110, 12.5.5). */
export const varyOnAccept: onSendHookHandler = (request, reply, _payload, done) => {
  if (negotiated.has(request)) reply.header('vary', varyOn(reply.getHeader('vary'), 'Accept'))
  done()
}
