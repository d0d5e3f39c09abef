import type { FastifyInstance } from 'fastify'
import {
  workers,
  type CloseInfo,
  type Executor,
  type ExecutorStats,
  type Producer,
  type RouteStats,
  type SseRouteOptions,
  type WorkersOptions,
} from '../../src/index.ts'
import { until, Flag, makeFlags, untilRaised, type Flags } from '../../src/testing/flags.ts'
import { DecodingClient } from './decoding-client.ts'
import { Testbed } from './testbed.ts'
import * as plain from './producers/plain.ts'
import * as endless from './producers/endless.ts'
import * as blocking from './producers/blocking.ts'
import * as failing from './producers/failing.ts'
import * as dying from './producers/dying.ts'
import { awaitsReady } from './producers/flooding.ts'

export interface PoolOptions {
  /** More routes, under these names. */
  producers?: Readonly<Record<string, Producer<never>>>
  /** Of the pool, which the routes' executor `pool` is. */
  workers?: WorkersOptions
  /** What `pool` is instead. */
  executor?: Executor
  /** Of every route. */
  route?: SseRouteOptions
  /** The plugin's. */
  graceMs?: number
  /** Adds hooks before the routes are declared. */
  hooks?: (app: FastifyInstance) => void
}

/** What every pool can be asked for. */
const PRODUCERS = { ...plain, ...endless, ...blocking, ...failing, ...dying, awaitsReady }

/** A server with one pool of workers, and a route for each producer that tests share, under its name. */
export class PoolTestbed {
  readonly #testbed: Testbed
  /** How streams went, and with what input they were asked for, by the number of their request. */
  readonly #closed: CloseInfo[] = []
  readonly #inputs: unknown[] = []
  readonly #numbers = new Map<DecodingClient, number>()

  private constructor(testbed: Testbed) {
    this.#testbed = testbed
  }

  /** A server that listens, and is closed when the test has finished. */
  static async make(options: PoolOptions = {}): Promise<PoolTestbed> {
    const testbed = await Testbed.make({
      graceMs: options.graceMs ?? 5_000,
      // On a machine with much else to do, threads of a lower priority would hardly run at all.
      executors: { pool: options.executor ?? workers({ threads: 1, niceIncrement: 0, ...options.workers }) },
    })
    const pool = new PoolTestbed(testbed)
    options.hooks?.(pool.app)
    const sse: SseRouteOptions = {
      executor: 'pool',
      // A client on the same machine may be behind for a moment.
      maxBuffered: 2 ** 26,
      ...options.route,
      onClose: (info, { headers }) => void (pool.#closed[Number(headers['x-number'])] = info),
    }
    for (const [name, producer] of Object.entries({ ...PRODUCERS, ...options.producers }) as [
      string,
      Producer<unknown>,
    ][]) {
      pool.app.get(`/${name}`, { sse }, async ({ headers }, reply) =>
        reply.sse(producer, pool.#inputs[Number(headers['x-number'])]),
      )
    }
    await testbed.listen()
    return pool
  }

  get app(): FastifyInstance {
    return this.#testbed.app
  }

  /** What was logged as an error: the message of `err`, or the line's own. */
  get logged(): string[] {
    return this.#testbed.logged.map(({ error, msg }) => error ?? msg)
  }

  /** A client whose request is on its way. */
  request(producer: string, input?: unknown): DecodingClient {
    const number = this.#inputs.push(input) - 1
    const client = DecodingClient.request(this, `/${producer}`, {
      headers: { 'x-number': `${number}` },
    })
    this.#numbers.set(client, number)
    return client
  }

  /** A client that has its head. */
  async open(producer: string, input?: unknown): Promise<DecodingClient> {
    const client = this.request(producer, input)
    await client.response()
    return client
  }

  /** A client whose producer has started, and the flags that this was given. */
  async start(producer: string): Promise<{ client: DecodingClient; flags: Flags }> {
    const flags = makeFlags()
    const client = await this.open(producer, { flags })
    await untilRaised(flags, Flag.STARTED)
    return { client, flags }
  }

  /** How a client's stream went, once it is over. */
  async closeInfo(client: DecodingClient): Promise<CloseInfo> {
    const number = this.#numbers.get(client) as number
    await until(() => this.#closed[number] !== undefined, `the close of stream ${number}`)
    return this.#closed[number] as CloseInfo
  }

  async reason(client: DecodingClient): Promise<string> {
    return (await this.closeInfo(client)).reason
  }

  get pool(): ExecutorStats {
    return this.app.sse.stats().executors['pool'] as ExecutorStats
  }

  route(producer: string): RouteStats {
    return this.app.sse.stats().routes[`GET /${producer}`] as RouteStats
  }

  /** Resolves when no stream counts anywhere: neither on the pool nor on a route. */
  async idle(): Promise<void> {
    await this.#testbed.idle()
  }

  /** Resolves when a new stream runs to its end. */
  async serves(): Promise<void> {
    const client = await this.open('count', { events: 3 })
    await client.over()
    if (client.events.join() !== '0,1,2') throw new Error(`got ${client.text}`)
  }
}

/** `count` numbers from 0, as the events that a producer sends. */
export const numbers = (count: number): string[] => Array.from({ length: count }, (_, n) => String(n))
