import { request, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import Fastify, { type FastifyInstance } from 'fastify'
import { onTestFinished } from 'vitest'
import headfirst, {
  workers,
  type CloseInfo,
  type Executor,
  type ExecutorStats,
  type PortableProducer,
  type RouteStats,
  type SseRouteOptions,
  type WorkersOptions,
} from '../../../src/index.ts'
import { until } from '../../../src/testing/flags.ts'

export interface TestbedOptions {
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

/** A server with one pool of workers, and a route for each producer of a module, under its export's name. */
export class Testbed {
  readonly app: FastifyInstance
  /** What was logged as an error: the message of `err`. */
  readonly logged: string[] = []
  readonly #closed: CloseInfo[] = []
  readonly #inputs: unknown[] = []

  private constructor() {
    const stream = {
      write: (line: string) => {
        this.logged.push((JSON.parse(line) as { err?: { message: string } }).err?.message ?? line)
      },
    }
    this.app = Fastify({ logger: { level: 'error', stream } })
  }

  /** A server that listens, and is closed when the test has finished. */
  static async make(producers: object, options: TestbedOptions = {}): Promise<Testbed> {
    const testbed = new Testbed()
    const { app } = testbed
    await app.register(headfirst, {
      graceMs: options.graceMs ?? 5_000,
      // On a machine with much else to do, threads of a lower priority would hardly run at all.
      executors: {
        pool: options.executor ?? workers({ threads: 1, niceIncrement: 0, ...options.workers }),
      },
    })
    options.hooks?.(app)
    const sse: SseRouteOptions = {
      executor: 'pool',
      // A client on the same machine may be behind for a moment.
      maxBuffered: 2 ** 26,
      ...options.route,
      onClose: (info, { headers }) => {
        testbed.#closed[Number(headers['x-number'])] = info
      },
    }
    for (const [name, producer] of Object.entries(producers) as [string, PortableProducer<unknown>][]) {
      app.get(`/${name}`, { sse }, async ({ headers }, reply) =>
        reply.sse(producer, testbed.#inputs[Number(headers['x-number'])]),
      )
    }
    await app.listen({ port: 0, host: '127.0.0.1' })
    onTestFinished(async () => app.close())
    return testbed
  }

  /** A client whose request is on its way. */
  request(producer: string, input?: unknown): Client {
    const number = this.#inputs.push(input) - 1
    const client = new Client((this.app.server.address() as AddressInfo).port, `/${producer}`, number)
    onTestFinished(() => client.leave())
    return client
  }

  /** A client that has its head. */
  async open(producer: string, input?: unknown): Promise<Client> {
    const client = this.request(producer, input)
    await client.head()
    return client
  }

  /** How a client's stream went, once it is over. */
  async closeInfo({ number }: Client): Promise<CloseInfo> {
    await until(() => this.#closed[number] !== undefined, `the close of stream ${number}`)
    return this.#closed[number] as CloseInfo
  }

  async reason(client: Client): Promise<string> {
    return (await this.closeInfo(client)).reason
  }

  get pool(): ExecutorStats {
    return this.app.sse.stats().executors.pool as ExecutorStats
  }

  route(producer: string): RouteStats {
    return this.app.sse.stats().routes[`GET /${producer}`] as RouteStats
  }

  /** Resolves when no stream counts anywhere: neither on the pool nor on a route. */
  async idle(): Promise<void> {
    const open = (): number =>
      Object.values(this.app.sse.stats().routes).reduce((sum, route) => sum + route.open, 0)
    await until(() => this.pool.running + this.pool.waiting + open() === 0, 'all counts to be zero')
  }

  /** Resolves when a new stream runs to its end. */
  async serves(): Promise<void> {
    const client = await this.open('count', { events: 3 })
    await client.over()
    if (client.events.join() !== '0,1,2') throw new Error(`got ${client.body}`)
  }
}

/** What threads that start die of, while starts are broken. */
export const BROKEN_BY = 'a start that its test has broken'

/** Threads that start from now on die of it, until the test has finished or what is answered is called. */
export function breakStarts(): () => void {
  // Read by test/typescript-loader.js, which is loaded first on each thread.
  process.env['HEADFIRST_BROKEN_STARTS'] = BROKEN_BY
  onTestFinished(mendStarts)
  return mendStarts
}

function mendStarts(): void {
  delete process.env['HEADFIRST_BROKEN_STARTS']
}

/** One request, on a connection of its own. */
export class Client {
  readonly number: number
  body = ''
  /** True when the response came to its end; false when it broke off. */
  complete: boolean | undefined
  #response: IncomingMessage | undefined
  #failed: Error | undefined
  readonly #request: ReturnType<typeof request>

  constructor(port: number, path: string, number: number) {
    this.number = number
    this.#request = request({ host: '127.0.0.1', port, path, agent: false, headers: { 'x-number': number } })
    this.#request.on('error', (error) => (this.#failed = error))
    this.#request.on('response', (response) => {
      this.#response = response
      response.setEncoding('utf8')
      response.on('data', (text: string) => (this.body += text))
      response.on('error', () => {})
      response.on('close', () => (this.complete = response.complete))
    })
    this.#request.end()
  }

  async head(): Promise<IncomingMessage> {
    await until(() => {
      if (this.#failed !== undefined) throw this.#failed
      return this.#response !== undefined
    }, 'the head')
    return this.#response as IncomingMessage
  }

  get status(): number | undefined {
    return this.#response?.statusCode
  }

  /** The data of the events that have arrived whole. */
  get events(): string[] {
    const whole = this.body.slice(0, this.body.lastIndexOf('\n\n') + 1)
    return whole.split('\n').flatMap((line) => (line.startsWith('data: ') ? [line.slice(6)] : []))
  }

  /** Resolves when the body holds a text. */
  async got(text: string): Promise<void> {
    await until(() => this.body.includes(text), `"${text}"`)
  }

  /** Resolves when the response is over, with all of its body. */
  async over(): Promise<string> {
    await until(() => this.complete !== undefined || this.#failed !== undefined, 'the end of the response')
    return this.body
  }

  leave(): void {
    this.#request.destroy()
  }
}

/** `count` numbers from 0, as the events that a producer sends. */
export const numbers = (count: number): string[] => Array.from({ length: count }, (_, n) => String(n))

export { until }
