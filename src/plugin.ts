/**
 * The seam to Fastify: decorators, hooks, and which executors there are. The one file that wires everything, and longer
 * than most, because nothing else may know Fastify.
 */
import type {
  FastifyInstance,
  FastifyReply,
  FastifyRequest,
  RouteOptions as FastifyRouteOptions,
  onSendHookHandler,
} from 'fastify'
import fastifyPlugin from 'fastify-plugin'
import {
  HF_ERR_ALREADY_REGISTERED,
  HF_ERR_NOT_ACCEPTABLE,
  HF_ERR_OPTION_INVALID,
  HF_ERR_PRODUCER_INVALID,
  HF_ERR_REPLY_ALREADY_SENT,
  HF_ERR_REPLY_SSE_TAKEN,
  HF_ERR_ROUTE_WITHOUT_SSE,
  HF_ERR_SERVER_ON_THREAD,
  HF_ERR_SSE_TWICE,
} from './errors.ts'
import { deferred } from './executors/deferred.ts'
import { inline } from './executors/inline.ts'
import { microtask } from './executors/microtask.ts'
import { workers } from './executors/workers/pool.ts'
import { clientOfAddress } from './runtime/clients.ts'
import { Connection } from './runtime/connection.ts'
import type { Host } from './runtime/opening.ts'
import { ExecutorSlot } from './runtime/executor-slot.ts'
import type { Executor } from './runtime/executor.ts'
import {
  checkRouteOptions,
  isObject,
  milliseconds,
  offeredCodings,
  type RouteOptions,
} from './runtime/options.ts'
import { isThenable, portability, type Producer } from './runtime/producer.ts'
import { refusesServer } from './runtime/producer-thread.ts'
import { checkProfile, Profiler, type ProfileOptions } from './runtime/profile.ts'
import type { Route } from './runtime/route.ts'
import { Scope, type Stats } from './runtime/scope.ts'
import { SteadyLog } from './runtime/steady-log.ts'
import { negotiateCoding, type ContentCoding } from './sse/compression.ts'
import { show } from './sse/event.ts'
import { EVENT_STREAM_HEADERS, hasNoBody, HeadPayload } from './sse/head.ts'
import { acceptsEventStream, isMediaType, prefersEventStream } from './sse/negotiation.ts'
import type { StreamContext } from './sse/stream.ts'
import { varyOn } from './sse/vary.ts'

/** A route's options, as `sse: { … }`. */
export type SseRouteOptions = RouteOptions<FastifyRequest>

/** The plugin's options: executors, and the defaults of its routes. */
export interface HeadfirstOptions extends SseRouteOptions {
  /**
   * Executors by name, beside the built-in `inline`, `microtask`, `deferred` and `workers`; one of a built-in's
   * name replaces it. An instance belongs to one registration.
   */
  executors?: Record<string, Executor>
  /**
   * How long `app.close()` waits for open streams and running producers, in ms. Default 5000; in a nested
   * registration, that of the outer one.
   */
  graceMs?: number
  /**
   * A route that tells `headfirst profile` how the server is: utilisation of each thread, waits of streams for their
   * producer, and routes whose producers have blocked the loop. Default: none. Only in the outermost registration.
   */
  profile?: ProfileOptions
}

/** What `app.sse` is: of the innermost registration. */
export interface Headfirst {
  stats(): Stats
}

/** The input that a producer asks for, as the rest of the arguments: none, optional, or required. */
export type InputArguments<Input> = undefined extends Input ? [input?: Input] : [input: Input]

declare module 'fastify' {
  interface FastifyInstance {
    sse: Headfirst
  }
  interface FastifyReply {
    /**
     * Ends the handler with an event stream: the head leaves once every hook has run, then the producer starts
     * on the route's executor. Return what it returns.
     *
     * An executor's refusal is replied as an error (503), as is a request that accepts no event stream (406; see
     * the option `accept`). What the call itself throws is a mistake in the
     * program: HF_ERR_ROUTE_WITHOUT_SSE, HF_ERR_SSE_TWICE, HF_ERR_REPLY_ALREADY_SENT, HF_ERR_PRODUCER_INVALID.
     */
    sse<Input = void>(producer: Producer<Input>, ...input: InputArguments<Input>): this
  }
  interface FastifyRequest {
    /**
     * Whether the request's `Accept` header prefers `text/event-stream` (RFC 9110, 12.5.1), for handlers that
     * answer an event stream or something else: by weight, then by the more exact range, then by what is named
     * first. False where the header tells nothing apart (`*\/*`), and without one. Works on any route. The response
     * gets `Vary: Accept`.
     *
     * @param over the type, or types, that the handler can answer instead. Default `application/json`
     * @throws HF_ERR_OPTION_INVALID when `over` is no media type
     */
    prefersEventStream(over?: string | readonly string[]): boolean
  }
  interface RouteShorthandOptions {
    /** Makes this a route of event streams: `true`, or options of its own. */
    sse?: boolean | SseRouteOptions
  }
}

/** A registration's scope, on the Fastify instance that it belongs to; child instances inherit it. */
const kScope: unique symbol = Symbol('headfirst.scope')
/** A route, in its Fastify config. */
const kRoute: unique symbol = Symbol('headfirst.route')
/** Requests that have had their `reply.sse()`. */
const answered = new WeakSet<FastifyRequest>()
/** Requests whose event stream was given a content coding. */
const encoded = new WeakSet<FastifyRequest>()
/** Requests whose `Accept` header has had a say in what they are answered. */
const negotiated = new WeakSet<FastifyRequest>()

type Scoped = FastifyInstance & { [kScope]?: Scope<FastifyRequest> }

async function plugin(app: Scoped, options: HeadfirstOptions): Promise<void> {
  if (refusesServer()) throw new HF_ERR_SERVER_ON_THREAD()
  if (Object.hasOwn(app, kScope)) throw new HF_ERR_ALREADY_REGISTERED()
  const { executors, graceMs, profile, ...defaults } = checkRouteOptions(options, "headfirst's options", {
    executors: ['an object of executors, by name', isObject],
    graceMs: milliseconds(0),
    profile: ['an object of path and token', isObject],
  })
  const parent = app[kScope]
  const checkedProfile = profile === undefined ? undefined : checkOutermost(profile, parent)
  const named: Record<string, Executor> = {
    ...(parent === undefined && {
      inline: inline(),
      microtask: microtask(),
      deferred: deferred(),
      workers: workers(),
    }),
    ...executors,
  }
  const slots = Object.entries(named).map(([name, executor]) => new ExecutorSlot(name, executor))
  const scope = new Scope(parent, defaults, slots, graceMs)
  if (parent === undefined) decorate(app)
  for (const slot of slots) slot.claim()
  const profiler = checkedProfile === undefined ? parent?.profiler : new Profiler(checkedProfile)
  if (profiler !== undefined) for (const slot of slots) slot.observe([profiler.watch(slot)])
  scope.profiler = profiler
  app[kScope] = scope
  if (parent !== undefined) {
    parent.adopt(scope)
    return
  }

  if (profile !== undefined && profiler !== undefined) addProfile(app, profile.path, profiler, scope)
  app.addHook('preClose', async () => {
    profiler?.close()
    const running = await scope.close()
    if (running.length > 0) {
      new SteadyLog(app.log).warn({ running }, 'producers still run after the grace of the shutdown')
    }
  })
}

/** Once for an instance and all below it: whose scope is meant is looked up where a route is declared. */
function decorate(app: Scoped): void {
  if (app.hasReplyDecorator('sse') || app.hasDecorator('sse')) {
    throw new HF_ERR_REPLY_SSE_TAKEN('it has decorated the reply or the server with "sse"')
  }
  app.decorate('sse', {
    getter(this: FastifyInstance) {
      return (this as Scoped)[kScope] as Headfirst
    },
  })
  app.decorateReply('sse', {
    getter: () => sse as never,
    // Some plugins set reply.sse for each request.
    setter() {
      throw new HF_ERR_REPLY_SSE_TAKEN('it sets reply.sse')
    },
  } as never)
  app.decorateRequest('prefersEventStream', prefers)
  app.addHook('onSend', (request, reply, _payload, done) => {
    if (negotiated.has(request)) reply.header('vary', varyOn(reply.getHeader('vary'), 'Accept'))
    done()
  })
  app.addHook('onRoute', function (this: FastifyInstance, route: FastifyRouteOptions) {
    addRoute((this as Scoped)[kScope] as Scope<FastifyRequest>, route)
  })
  app.addHook('onReady', async () => {
    if (app.hasPlugin('@fastify/sse')) throw new HF_ERR_REPLY_SSE_TAKEN('@fastify/sse')
  })
}

/** @throws HF_ERR_OPTION_UNKNOWN, HF_ERR_OPTION_INVALID */
function checkOutermost(
  options: ProfileOptions,
  parent: Scope<FastifyRequest> | undefined,
): Required<ProfileOptions> {
  const checked = checkProfile(options)
  if (parent === undefined) return checked
  const expected = 'left to the outermost registration, whose profile is that of nested ones too'
  throw new HF_ERR_OPTION_INVALID('profile', "headfirst's options", expected, 'one of its own')
}

function addProfile(app: Scoped, url: string, profiler: Profiler, scope: Scope<FastifyRequest>): void {
  app.route({
    method: 'GET',
    url,
    exposeHeadRoute: false,
    handler(request, reply) {
      const answer = profiler.answer(request.headers.authorization)
      if (answer === undefined) reply.callNotFound()
      else reply.header('cache-control', 'no-store').send({ ...answer, stats: scope.stats() })
    },
  })
}

function addRoute(scope: Scope<FastifyRequest>, route: FastifyRouteOptions): void {
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

/** What leaves instead of the event stream (the error of a hook that has thrown) is not compressed as that was. */
const unmarkOther: onSendHookHandler = (request, reply, payload, done) => {
  // To a HEAD request Fastify has replaced the payload by none.
  if (encoded.has(request) && payload != null && !(payload instanceof HeadPayload)) {
    reply.removeHeader('content-encoding')
    reply.raw.removeHeader('content-encoding')
  }
  done(null, payload)
}

interface RegisteredRoute {
  route: Route<FastifyRequest>
  scope: Scope<FastifyRequest>
}

function sse(this: FastifyReply, producer: Producer<never>, input?: unknown): FastifyReply {
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
    negotiated.add(request)
    const { accept } = request.headers
    if (!acceptsEventStream(accept)) {
      answered.add(request)
      return this.send(new HF_ERR_NOT_ACCEPTABLE(place, show(accept)))
    }
  }
  const portable = portability(producer)
  const coding = this.hasHeader('content-encoding') ? undefined : codingFor(this, route)
  const connection = new Connection(
    new ReplyHost(this, coding),
    route,
    producer,
    input,
    {
      serializer: portable === undefined ? route.options.serializer : portable.serializer,
      lastEventId: lastEventId(request),
      context: contextOf(request, route),
      coding,
      client: clientOf(request, route),
    },
    scope,
  )
  answered.add(request)
  scope.add(connection)
  return this
}

function prefers(this: FastifyRequest, over: string | readonly string[] = 'application/json'): boolean {
  const types = [over].flat()
  if (types.length === 0 || !types.every(isMediaType)) {
    const expected = "a media type without wildcards, as 'application/json', or an array of such"
    throw new HF_ERR_OPTION_INVALID('over', 'request.prefersEventStream()', expected, show(over))
  }
  negotiated.add(this)
  return prefersEventStream(this.headers.accept, types)
}

const HEADERS = Object.entries(EVENT_STREAM_HEADERS)

/** A class rather than closures: an idle stream should hold little. */
class ReplyHost implements Host<FastifyRequest> {
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
      // Its word for a response that it is to leave alone: it would hold events back.
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
    // Once more, for a signal that was first asked for in the meantime.
    this.#reply.hijack()
  }
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

/** HTTP gives bytes, Node shows them as Latin-1; the standard says that they are UTF-8 (9.2.4). */
function lastEventId(request: FastifyRequest): string | undefined {
  const header = request.headers['last-event-id']
  if (typeof header !== 'string' || header === '') return undefined
  return Buffer.from(header, 'latin1').toString('utf8')
}

/** The Fastify plugin: `await app.register(headfirst, { … })` above the routes that use it. */
const headfirst: typeof plugin = fastifyPlugin(plugin, { name: 'headfirst', fastify: '5.x' })

export default headfirst
