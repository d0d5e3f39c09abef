import type { AddressInfo } from 'node:net'
import Fastify, { type FastifyInstance, type FastifyRequest, type FastifyServerOptions } from 'fastify'
import { onTestFinished } from 'vitest'
import headfirst, {
  workers,
  type CloseInfo,
  type EventStream,
  type Produced,
  type HeadfirstOptions,
  type Producer,
  type RouteOptions,
  type SseRouteOptions,
} from '../../src/index.ts'
import { until } from '../../src/testing/flags.ts'
import { turns } from './waiting.ts'
import { get, RawClient, type Received } from './raw-client.ts'

/** A Fastify server with headfirst, and what became of its streams; closed when the test has finished. */
export class Testbed {
  readonly app: FastifyInstance
  /** What `onClose` was called with, in order. */
  readonly closed: CloseInfo[] = []
  /** What was logged as an error: `msg`, and the message of `err`. */
  readonly logged: { msg: string; error: string | undefined }[] = []

  constructor(options: FastifyServerOptions = {}) {
    const stream = {
      write: (line: string) => {
        const { msg, err } = JSON.parse(line) as { msg: string; err?: { message: string } }
        this.logged.push({ msg, error: err?.message })
      },
    }
    this.app = Fastify({ logger: { level: 'error', stream }, ...options })
    onTestFinished(async () => this.app.close())
  }

  /** A server on which headfirst is registered with these defaults, with `onClose` recorded. */
  static async make(
    options: Omit<HeadfirstOptions, 'onClose'> = {},
    server: FastifyServerOptions = {},
  ): Promise<Testbed> {
    const testbed = new Testbed(server)
    await testbed.app.register(headfirst, { ...options, onClose: testbed.record })
    return testbed
  }

  /**
   * A server with every built-in executor. Its `workers` are two threads at the server's own priority, so that a busy
   * machine lets them run.
   */
  static async everywhere(
    { executors, ...options }: Omit<HeadfirstOptions, 'onClose'> = {},
    server: FastifyServerOptions = {},
  ): Promise<Testbed> {
    return Testbed.make(
      {
        executors: { workers: workers({ threads: 2, niceIncrement: 0 }), ...executors },
        // A client on the same machine may be behind for a moment.
        maxBuffered: 2 ** 28,
        ...options,
      },
      server,
    )
  }

  /** A server with one route, `/`, whose producer this closure is. */
  static async serving(
    produce: (stream: EventStream) => Produced,
    options: Omit<HeadfirstOptions, 'onClose'> = {},
  ): Promise<Testbed> {
    const testbed = await Testbed.make(options)
    testbed.app.get('/', { sse: true }, async (_, reply) => reply.sse(produce))
    return testbed
  }

  /** Adds a route with one producer. */
  route<Input>(path: string, producer: Producer<Input>, input: Input, options: SseRouteOptions = {}): void {
    this.app.get(path, { sse: options }, async (_, reply) => reply.sse(producer as Producer<unknown>, input))
  }

  /** To be given as `onClose`. */
  readonly record: NonNullable<RouteOptions<FastifyRequest>['onClose']> = (info) => {
    this.closed.push(info)
  }

  /** The port of the server, which listens from the first call on. */
  async listen(): Promise<number> {
    if (!this.app.server.listening) await this.app.listen({ port: 0, host: '127.0.0.1' })
    return (this.app.server.address() as AddressInfo).port
  }

  /** A client that is connected. */
  async connect(): Promise<RawClient> {
    return RawClient.connect(await this.listen())
  }

  /** A client that has sent one request. */
  async ask(path: string, headers: Record<string, string> = {}, method = 'GET'): Promise<RawClient> {
    const client = await this.connect()
    client.send(get(path, headers, method))
    return client
  }

  /** A client of `/` whose stream has had its first event. */
  async open(): Promise<RawClient> {
    const client = await this.ask('/')
    await client.including('data: ')
    return client
  }

  /** Sends one request and takes the whole response. */
  async request(path: string, headers: Record<string, string> = {}, method = 'GET'): Promise<Received> {
    const client = await this.ask(path, headers, method)
    const response = await client.response()
    client.destroy()
    return response
  }

  /** How the stream of this number went, once it is over. */
  async closeInfo(number = 0): Promise<CloseInfo> {
    await until(() => this.closed.length > number, `stream ${number} to be closed`)
    return this.closed[number] as CloseInfo
  }

  /** Streams that count somewhere: open on a route, running or waiting on an executor. */
  get counted(): number {
    const { executors, routes } = this.app.sse.stats()
    let counted = 0
    for (const { running, waiting } of Object.values(executors)) counted += running + waiting
    for (const { open } of Object.values(routes)) counted += open
    return counted
  }

  /** Resolves when no stream counts anywhere. */
  async idle(): Promise<void> {
    await until(() => this.counted === 0, 'all streams to be over')
  }

  /** Resolves when the server has no connection any more, and what follows from that has happened. */
  async unconnected(): Promise<void> {
    let connections = -1
    await until(() => {
      this.app.server.getConnections((_, count) => (connections = count))
      return connections === 0
    }, 'the connections to be closed')
    await turns()
  }
}
