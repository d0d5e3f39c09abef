import { once } from 'node:events'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Readable } from 'node:stream'
import { ExecutorSlot } from '../../src/runtime/executor-slot.ts'
import type { Executor } from '../../src/runtime/executor.ts'
import { Opening, type Body, type Host, type Openable } from '../../src/runtime/opening.ts'
import type { RouteOptions } from '../../src/runtime/options.ts'
import { resolveOptions } from '../../src/runtime/resolve-options.ts'
import { Route } from '../../src/runtime/route.ts'
import { get, RawClient } from '../support/raw-client.ts'
import { listen } from '../support/served-response.ts'

export interface Setup {
  executor?: Partial<Executor>
  route?: RouteOptions
  /** What the framework does with the payload. Default: pipes it to the response. */
  reply?: (payload: Readable, response: ServerResponse) => void
  /** No subscriber takes its moments. */
  isUnobserved?: boolean
  /** The client has as many streams as it may have. */
  hasTooMany?: boolean
  /** Called where the executor has agreed. */
  onAdmitted?: (arrival: Arrival) => boolean
}

/** A request that has arrived at a real server, its opening, and all that this has called, in order. */
export class Arrival {
  readonly calls: string[] = []
  /** What the client was refused with. */
  readonly refused: Error[] = []
  /** What the connection was opened with. */
  body: Body | undefined
  payload: Readable | undefined
  over = false
  shuttingDown = false
  readonly response: ServerResponse
  readonly #opening: Opening<string>

  constructor(rawRequest: IncomingMessage, response: ServerResponse, setup: Setup) {
    this.response = response
    const { calls } = this
    const recorded = <Result>(name: string, call: (() => Result) | undefined) =>
      call && (() => (calls.push(name), call()))
    const { executor = {}, reply = (payload) => payload.pipe(response) } = setup
    const slot = new ExecutorSlot('mine', {
      run: () => {},
      ...(executor.prepare && { prepare: recorded('prepare', executor.prepare as never) as never }),
      admit: recorded('admit', (executor.admit ?? (() => {})) as never) as never,
    })
    if (setup.isUnobserved !== true) {
      slot.observe([
        { refused: (stream, error) => calls.push(`moment refused: ${stream.route}, ${error.name}`) },
      ])
    }
    const route = new Route('GET /', resolveOptions('the route', setup.route ?? {}), slot)
    const host: Host<string> = {
      request: 'the request',
      rawRequest,
      response,
      log: {} as Host<string>['log'],
      refuse: (error) => {
        calls.push('refuse')
        this.refused.push(error)
        response.writeHead((error as { statusCode?: number }).statusCode ?? 500).end(error.message)
      },
      sendHead: (payload) => {
        calls.push('send head')
        this.payload = payload
        reply(payload, response)
      },
      detach: () => calls.push('detach'),
      finished: () => calls.push('finished'),
    }
    const connection: Partial<Openable> & { over: boolean; shuttingDown: boolean } = {
      executor: 'mine',
      route: 'GET /',
      over: false,
      shuttingDown: false,
      enter: () => (calls.push('enter'), setup.hasTooMany !== true),
      abandon: () => void calls.push('abandon'),
      admitted: () => (calls.push('admitted'), setup.onAdmitted?.(this) ?? true),
      open: (body) => {
        calls.push(`open, ${response.headersSent ? 'after' : 'before'} the head`)
        this.body = body
      },
    }
    Object.defineProperties(connection, {
      over: { get: () => this.over },
      shuttingDown: { get: () => this.shuttingDown },
    })
    this.#opening = new Opening(host, route, connection as Openable)
  }

  begin(): void {
    this.#opening.begin()
  }
}

/** A client that has sent these requests on one connection, each of which has arrived. */
export async function send(
  setup: Setup,
  ...requests: string[]
): Promise<{ client: RawClient; arrivals: [Arrival, ...Arrival[]] }> {
  const { server, port } = await listen()
  const arrivals: Arrival[] = []
  const all = new Promise<void>((resolve) => {
    server.on('request', (request, response) => {
      arrivals.push(new Arrival(request, response, setup))
      if (arrivals.length === requests.length) resolve()
    })
  })
  const client = await RawClient.connect(port)
  client.send(requests.join(''))
  await all
  return { client, arrivals: arrivals as [Arrival, ...Arrival[]] }
}

/** One request, whose opening has begun. */
export async function begin(
  setup: Setup = {},
  request: string = get('/'),
): Promise<{ client: RawClient; arrival: Arrival }> {
  const { client, arrivals } = await send(setup, request)
  const [arrival] = arrivals
  arrival.begin()
  return { client, arrival }
}

/** Two requests on one connection: the second waits for the end of the first. */
export async function pipeline(
  setup: Setup = {},
): Promise<{ client: RawClient; first: Arrival; second: Arrival }> {
  const { client, arrivals } = await send(setup, get('/1'), get('/2'))
  const [first, second] = arrivals as [Arrival, Arrival]
  return { client, first, second }
}

/** Resolves when the server has seen the connection close. */
export async function gone(client: RawClient, { response }: Arrival): Promise<void> {
  const closed = once(response, 'close')
  client.destroy()
  await closed
}

/** What is called on the way to an admission. */
export const ADMITTED: readonly string[] = ['enter', 'admit', 'admitted']

/** The same on the way to the head. */
export const OPENED: readonly string[] = [...ADMITTED, 'send head', 'detach', 'open, after the head']
