/** Routes of event streams, and `reply.sse()`, which takes everything from a request that its stream needs. */
import type { FastifyReply, FastifyRequest, RouteOptions as FastifyRouteOptions } from 'fastify'
import {
  HF_ERR_NOT_ACCEPTABLE,
  HF_ERR_OPTION_INVALID,
  HF_ERR_PRODUCER_INVALID,
  HF_ERR_REPLY_ALREADY_SENT,
  HF_ERR_ROUTE_WITHOUT_SSE,
  HF_ERR_SSE_TWICE,
} from '../errors.ts'
import { clientOfAddress } from '../runtime/clients.ts'
import { Connection } from '../runtime/connection.ts'
import { isObject } from '../runtime/option-rules.ts'
import { isThenable, portability, type Producer } from '../runtime/producer.ts'
import { offeredCodings } from '../runtime/resolve-options.ts'
import type { Route } from '../runtime/route.ts'
import type { Scope } from '../runtime/scope.ts'
import { negotiateCoding, type ContentCoding } from '../sse/compression.ts'
import { show } from '../sse/event.ts'
import { hasNoBody } from '../sse/head.ts'
import type { StreamContext } from '../sse/stream.ts'
import { varyOn } from '../sse/vary.ts'
import { accepts } from './accept.ts'
import { ReplyHost, unmarkOther } from './reply-host.ts'

/** A route, in its Fastify config. */
const kRoute: unique symbol = Symbol('headfirst.route')
/** Requests that have had their `reply.sse()`. */
const answered = new WeakSet<FastifyRequest>()

interface RegisteredRoute {
  route: Route<FastifyRequest>
  scope: Scope<FastifyRequest>
}

/** Makes a route with the option `sse` one of event streams. */
export function addRoute(scope: Scope<FastifyRequest>, route: FastifyRouteOptions): void {
  const { sse: options } = route
  if (options === undefined || options === false) return
  const methods = [route.method].flat()
  const name = `${methods.join(',')} ${route.url}`
  if (options !== true && !isObject(options)) {
    throw new HF_ERR_OPTION_INVALID(
      'sse',
      `route ${name}`,
      'true, false or an object of options',
      show(options),
    )
  }
  const added = scope.addRoute(name, options === true ? {} : options)
  const registered: RegisteredRoute = { route: added, scope }
  route.config = { ...route.config, [kRoute]: registered }
  if (offeredCodings(added.options).length > 0) route.onSend = [route.onSend ?? [], unmarkOther].flat()
}

/** `reply.sse()`. */
export function sse(this: FastifyReply, producer: Producer<never>, input?: unknown): FastifyReply {
  const { request } = this
  const { url, config } = request.routeOptions
  const place = `${request.method} ${url ?? request.url}`
  const registered = (config as unknown as { [kRoute]?: RegisteredRoute } | undefined)?.[kRoute]
  if (registered === undefined) throw new HF_ERR_ROUTE_WITHOUT_SSE(place)
  if (answered.has(request)) throw new HF_ERR_SSE_TWICE(place)
  if (this.sent || this.raw.headersSent) throw new HF_ERR_REPLY_ALREADY_SENT(place)
  if (typeof producer !== 'function') throw new HF_ERR_PRODUCER_INVALID(place, show(producer))

  const { route, scope } = registered
  // A status without a body, as the 204 that stops a client from reconnecting, offers nothing to accept.
  if (route.options.accept === 'strict' && !hasNoBody('GET', this.statusCode)) {
    if (!accepts(request)) {
      answered.add(request)
      return this.send(new HF_ERR_NOT_ACCEPTABLE(place, show(request.headers.accept)))
    }
  }
  const portable = portability(producer)
  const coding = this.hasHeader('content-encoding') ? undefined : codingFor(this, route)
  const connection = new Connection(
    new ReplyHost(this, coding),
    route,
    {
      producer,
      input,
      serializer: portable === undefined ? route.options.serializer : portable.serializer,
      lastEventId: lastEventId(request),
      context: contextOf(request, route),
      coding,
      seat: scope.seat(clientOf(request, route), route.options.maxStreamsPerClient),
    },
    scope,
  )
  answered.add(request)
  scope.add(connection)
  return this
}

/** The coding that the client and the route agree on. */
function codingFor(reply: FastifyReply, route: Route<FastifyRequest>): ContentCoding | undefined {
  const offered = offeredCodings(route.options)
  if (offered.length === 0) return undefined
  // Caches have to know what the response depends on, also where it is not compressed (RFC 9110, 12.5.5).
  reply.header('vary', varyOn(reply.getHeader('vary'), 'Accept-Encoding'))
  return negotiateCoding(reply.request.headers['accept-encoding'], offered)
}

/** @throws HF_ERR_OPTION_INVALID when the route's `context` returns no object */
function contextOf(request: FastifyRequest, route: Route<FastifyRequest>): StreamContext {
  const { traceparent } = request.headers
  const added: unknown = route.options.context?.(request)
  if (added != null && (!isObject(added) || isThenable(added))) {
    const expected = 'a function that returns an object at once'
    throw new HF_ERR_OPTION_INVALID(
      'context',
      `route ${route.name}`,
      expected,
      `one that returned ${show(added)}`,
    )
  }
  return Object.freeze({
    ...(added as Record<string, unknown> | undefined),
    requestId: request.id,
    route: route.name,
    ...(typeof traceparent === 'string' && { traceparent }),
  })
}

/** @throws HF_ERR_OPTION_INVALID when the route's `clientKey` returns what is no key */
function clientOf(request: FastifyRequest, { name, options }: Route<FastifyRequest>): string | undefined {
  if (options.maxStreamsPerClient === undefined) return undefined
  // Over a Unix socket there is no address.
  const { ip } = request as { ip: string | undefined }
  if (options.clientKey === undefined) return ip === undefined ? undefined : clientOfAddress(ip)
  const key: unknown = options.clientKey(request)
  if (key === undefined || typeof key === 'string') return key
  const expected = 'a function that returns a string or undefined'
  throw new HF_ERR_OPTION_INVALID('clientKey', `route ${name}`, expected, `one that returned ${show(key)}`)
}

/** Node reads header bytes as Latin-1; here they are UTF-8 (HTML Living Standard, 9.2.4). */
function lastEventId(request: FastifyRequest): string | undefined {
  const header = request.headers['last-event-id']
  if (typeof header !== 'string' || header === '') return undefined
  return Buffer.from(header, 'latin1').toString('utf8')
}
