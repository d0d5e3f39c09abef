/** What the plugin adds to Fastify's types, and the types of its options. */
import type { FastifyRequest } from 'fastify'
import type { Executor } from '../runtime/executor.ts'
import type { RouteOptions } from '../runtime/options.ts'
import type { Producer } from '../runtime/producer.ts'
import type { ProfileOptions } from '../runtime/server-profile.ts'
import type { Stats } from '../runtime/scope.ts'

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
   * How long `app.close()` waits for open streams and running producers, in ms, from 0.
   *
   * @default 5000; in a nested registration that of the outer one
   */
  graceMs?: number
  /**
   * A route on which `headfirst profile` reads the server's own view: utilisation of each thread, waits of streams for
   * their producer, and routes whose producers have blocked the loop. Only in the outermost registration.
   *
   * @default undefined (no such route)
   */
  profile?: ProfileOptions
}

/** `app.sse`, of the innermost registration. */
export interface Headfirst {
  /** The streams of each executor and each route, now and since the start. */
  stats(): Stats
}

/** The input of a producer, as the rest of the arguments: none, optional, or required. */
export type InputArguments<Input> = undefined extends Input ? [input?: Input] : [input: Input]

declare module 'fastify' {
  interface FastifyInstance {
    sse: Headfirst
  }
  interface FastifyReply {
    /**
     * Ends the handler with an event stream: the head leaves once every hook has run, then the producer starts on the
     * route's executor. Return what it returns.
     *
     * If the executor refuses the stream, the reply is an error (503); also if the request accepts no event stream
     * (406; see the option `accept`).
     *
     * @example
     * app.get('/ticks', { sse: true }, (request, reply) =>
     *   reply.sse(async (stream) => {
     *     for (let n = 0; n < 3; n++) stream.send({ event: 'tick', data: { n } })
     *   }),
     * )
     * @throws HF_ERR_ROUTE_WITHOUT_SSE, HF_ERR_SSE_TWICE, HF_ERR_REPLY_ALREADY_SENT, HF_ERR_PRODUCER_INVALID: each is a
     *   mistake in the program
     */
    sse<Input = void>(producer: Producer<Input>, ...input: InputArguments<Input>): this
  }
  interface FastifyRequest {
    /**
     * Whether the request's `Accept` header prefers `text/event-stream` (RFC 9110, 12.5.1), for handlers that
     * answer an event stream or something else: by weight, then by the more exact range, then by what is named
     * first. False where the header prefers neither (`*\/*`), and without one. Works on any route. The response
     * gets `Vary: Accept`.
     *
     * @example
     * if (!request.prefersEventStream()) return reply.send(await read())
     * @param over the type, or types, that the handler can answer instead. Default: `application/json`
     * @throws HF_ERR_OPTION_INVALID when `over` is no media type
     */
    prefersEventStream(over?: string | readonly string[]): boolean
  }
  interface RouteShorthandOptions {
    /** Makes this a route of event streams: `true`, or options of its own. */
    sse?: boolean | SseRouteOptions
  }
}
