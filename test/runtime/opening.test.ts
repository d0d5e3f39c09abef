import { AsyncLocalStorage } from 'node:async_hooks'
import { once } from 'node:events'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { connect, createServer } from 'node:http2'
import type { AddressInfo } from 'node:net'
import { PassThrough, type Readable } from 'node:stream'
import { describe, expect, onTestFinished, test } from 'vitest'
import { ExecutorSlot } from '../../src/runtime/executor-slot.ts'
import type { Executor } from '../../src/runtime/executor.ts'
import { Opening, type Body, type Host, type Openable } from '../../src/runtime/opening.ts'
import { resolveOptions, type RouteOptions } from '../../src/runtime/options.ts'
import { Route } from '../../src/runtime/route.ts'
import { get, RawClient } from '../support/raw-client.ts'
import { listen } from '../support/served-response.ts'
import { withResolvers } from '../support/with-resolvers.ts'
import { turn } from '../support/waiting.ts'

interface Setup {
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
class Arrival {
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

const NEVER = async (): Promise<void> => new Promise(() => {})

/** A client that has sent these requests on one connection, each of which has arrived. */
async function send(
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
async function begin(
  setup: Setup = {},
  request = get('/'),
): Promise<{ client: RawClient; arrival: Arrival }> {
  const { client, arrivals } = await send(setup, request)
  const [arrival] = arrivals
  arrival.begin()
  return { client, arrival }
}

/** Two requests on one connection: the second waits for the end of the first. */
async function pipeline(setup: Setup = {}): Promise<{ client: RawClient; first: Arrival; second: Arrival }> {
  const { client, arrivals } = await send(setup, get('/1'), get('/2'))
  const [first, second] = arrivals as [Arrival, Arrival]
  return { client, first, second }
}

/** Resolves when the server has seen the connection close. */
async function gone(client: RawClient, { response }: Arrival): Promise<void> {
  const closed = once(response, 'close')
  client.destroy()
  await closed
}

const ADMITTED = ['enter', 'admit', 'admitted']
const OPENED = [...ADMITTED, 'send head', 'detach', 'open, after the head']

describe('the way to the head', () => {
  test('takes each step once, in this order', async () => {
    const { client, arrival } = await begin({ executor: { prepare: () => {} } })
    expect(arrival.calls).toEqual(['enter', 'prepare', ...OPENED.slice(1)])
    // The stream ends the response: the payload is over, and has nothing to wait for.
    expect(arrival.body).toBe(arrival.response)
    await once(arrival.payload as Readable, 'end')
    expect(await client.head()).toMatchObject({ status: 200, body: '', complete: false })
  })

  test('needs no prepare()', async () => {
    const { arrival } = await begin()
    expect(arrival.calls).toEqual(OPENED)
  })
})

describe('a client that has left before reply.sse()', () => {
  test('is found by its response', async () => {
    const { client, arrivals } = await send({}, get('/'))
    const [arrival] = arrivals
    await gone(client, arrival)
    arrival.begin()
    expect(arrival.calls).toEqual(['abandon'])
  })

  test('is found by its connection, while the response waits for its turn', async () => {
    const { client, first, second } = await pipeline()
    await gone(client, first)
    expect(second.response.destroyed).toBe(false)
    second.begin()
    expect(second.calls).toEqual(['abandon'])
  })

  test('is found by its stream of HTTP/2, which has no socket of its own', async () => {
    const server = createServer()
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    const session = connect(`http://127.0.0.1:${(server.address() as AddressInfo).port}`)
    onTestFinished(() => {
      session.destroy()
      server.close()
    })
    const calls: string[][] = []
    for (const leaves of [true, false]) {
      const arrived = once(server, 'request')
      const stream = session.request({ ':path': '/' }).on('error', () => {})
      const [request, response] = (await arrived) as [IncomingMessage, ServerResponse]
      const closed = once(response, 'close')
      if (leaves) stream.close()
      if (leaves) await closed
      const arrival = new Arrival(request, response, {})
      arrival.begin()
      await turn()
      calls.push(arrival.calls)
    }
    expect(calls).toEqual([['abandon'], OPENED])
  })
})

describe('a response without a body', () => {
  test.each([
    ['HEAD', 200],
    ['GET', 204],
    ['GET', 205],
    ['GET', 304],
  ])('to %s, with %i, is sent without asking the executor', async (method, status) => {
    const { client, arrivals } = await send({}, get('/', {}, method))
    const [arrival] = arrivals
    arrival.response.statusCode = status
    arrival.begin()
    expect(arrival.calls).toEqual(['send head'])
    expect(await client.response()).toMatchObject({ status, body: '', complete: true })
  })

  test('is what a hook may still make of it', async () => {
    const { client, arrival } = await begin({
      reply: (payload, response) => {
        response.statusCode = 204
        payload.pipe(response)
      },
    })
    expect(await client.response()).toMatchObject({ status: 204, complete: true })
    expect(arrival.calls).toEqual([...ADMITTED, 'send head'])
  })

  test('has none either where a hook makes it one that could: the length that it has set stays', async () => {
    const { client, arrivals } = await send(
      {
        reply: (payload, response) => {
          response.statusCode = 200
          payload.pipe(response.setHeader('content-length', 0))
        },
      },
      get('/'),
    )
    const [arrival] = arrivals
    arrival.response.statusCode = 204
    arrival.begin()
    const { status, headers, body } = await client.response()
    expect({ status, body, length: headers['content-length'] }).toEqual({
      status: 200,
      body: '',
      length: '0',
    })
    expect(arrival.calls).toEqual(['send head'])
  })

  test('keeps the length that its handler has set', async () => {
    const { client, arrivals } = await send({}, get('/', {}, 'HEAD'))
    const [arrival] = arrivals
    arrival.response.setHeader('content-length', 5)
    arrival.begin()
    expect((await client.response()).headers).toMatchObject({ 'content-length': '5' })
  })
})

describe('a client with too many streams', () => {
  const REFUSED = ['enter', 'moment refused: GET /, FastifyError', 'refuse']

  test('is refused with 429, and with a time after which it may come back', async () => {
    const { arrival } = await begin({ hasTooMany: true, route: { maxStreamsPerClient: 3 } })
    expect(arrival.calls).toEqual(REFUSED)
    expect(arrival.refused).toEqual([
      expect.objectContaining({
        code: 'HF_ERR_CLIENT_LIMIT',
        statusCode: 429,
        headers: { 'retry-after': '10' },
      }),
    ])
  })

  test.each(['status', 'retry'] as const)(
    'is refused where nothing looks on, with refusal %s',
    async (refusal) => {
      const { client, arrival } = await begin({ hasTooMany: true, isUnobserved: true, route: { refusal } })
      expect((await client.response()).status).toBe(refusal === 'status' ? 429 : 200)
      expect(arrival.calls).toEqual(['enter', refusal === 'status' ? 'refuse' : 'send head'])
    },
  )

  test('is refused before the response has its turn', async () => {
    const { second } = await pipeline({ hasTooMany: true })
    second.begin()
    expect(second.response.socket).toBeNull()
    expect(second.calls).toEqual(REFUSED)
  })

  test("is sent a retry instead, where its route's refusal is that: between once and twice the time", async () => {
    const { client, arrival } = await begin({ hasTooMany: true, route: { refusal: 'retry' } })
    expect(arrival.calls).toEqual(['enter', 'moment refused: GET /, FastifyError', 'send head'])
    const { status, body } = await client.response()
    expect(status).toBe(200)
    const retryMs = Number(/^retry: (\d+)\n/.exec(body)?.[1])
    expect(retryMs).toBeGreaterThanOrEqual(10_000)
    expect(retryMs).toBeLessThanOrEqual(20_000)
  })
})

describe('a pipelined response', () => {
  test('comes to nothing before its turn: what was caused meanwhile would wait in memory', async () => {
    const { client, first, second } = await pipeline()
    second.begin()
    await turn()
    expect(second.calls).toEqual(['enter'])
    first.response.end('first')
    await client.head(1)
    expect(second.calls).toEqual(OPENED)
  })

  test('goes on in the context of its own request', async () => {
    const storage = new AsyncLocalStorage<string>()
    let context: string | undefined
    const admit = (): void => void (context = storage.getStore())
    const { client, first, second } = await pipeline({ executor: { admit } })
    storage.run('second', () => second.begin())
    storage.run('first', () => first.response.end())
    await client.head(1)
    expect(context).toBe('second')
  })

  test('is abandoned when the connection closes before', async () => {
    const { client, first, second } = await pipeline()
    second.begin()
    await gone(client, first)
    await turn()
    expect(second.calls).toEqual(['enter', 'abandon'])
  })

  test('is not abandoned once it has had its turn: from then on the response emits its own close', async () => {
    const { client, first, second } = await pipeline()
    second.begin()
    first.response.end()
    await client.head(1)
    await gone(client, second)
    await turn()
    expect(second.calls).toEqual(OPENED)
  })

  test('costs its connection no listener for each that waits', async () => {
    const { client, arrivals } = await send({}, ...Array.from({ length: 20 }, (_, n) => get(`/${n}`)))
    const [first, second, ...others] = arrivals as [Arrival, Arrival, ...Arrival[]]
    const { socket } = first.response
    second.begin()
    const before = socket?.listenerCount('close')
    for (const each of others) each.begin()
    expect(socket?.listenerCount('close')).toBe(before)
    await gone(client, first)
    await turn()
    expect([second, ...others].map(({ calls }) => calls)).toEqual(
      Array.from({ length: 19 }, () => ['enter', 'abandon']),
    )
  })
})

describe('prepare()', () => {
  const REFUSED = ['enter', 'prepare', 'moment refused: GET /, TypeError', 'refuse']
  const thrown = new TypeError('cannot be cloned')

  test.each(['status', 'retry'] as const)(
    'that throws is answered with its error, where refusal is %s: to come back would not help',
    async (refusal) => {
      const prepare = (): void => {
        throw thrown
      }
      const { arrival } = await begin({ executor: { prepare }, route: { refusal } })
      expect(arrival.calls).toEqual(REFUSED)
      expect(arrival.refused).toEqual([thrown])
    },
  )

  test('that rejects is so as well', async () => {
    const prepare = async (): Promise<void> => Promise.reject(thrown)
    const { client, arrival } = await begin({ executor: { prepare }, route: { refusal: 'retry' } })
    await client.response()
    expect(arrival.calls).toEqual(REFUSED)
    expect(arrival.refused).toEqual([thrown])
  })

  test('that throws what is no error is answered with one, whose cause is that', async () => {
    const { client, arrival } = await begin({
      executor: { prepare: async () => Promise.reject('no error') },
    })
    await client.response()
    expect(arrival.refused).toEqual([new Error('The executor has refused the stream', { cause: 'no error' })])
    expect(arrival.refused[0]?.cause).toBe('no error')
  })

  test('holds everything back until it resolves', async () => {
    const { promise, resolve } = withResolvers()
    const { client, arrival } = await begin({ executor: { prepare: async () => promise } })
    await turn()
    expect(arrival.calls).toEqual(['enter', 'prepare'])
    resolve()
    await client.head()
    expect(arrival.calls).toEqual(['enter', 'prepare', ...OPENED.slice(1)])
  })

  test.each(['resolves', 'rejects'])('that %s when the client has left comes to nothing', async (outcome) => {
    const { promise, resolve, reject } = withResolvers()
    const { arrival } = await begin({ executor: { prepare: async () => promise } })
    arrival.over = true
    if (outcome === 'resolves') resolve()
    else reject(thrown)
    await turn()
    expect(arrival.calls).toEqual(['enter', 'prepare'])
  })

  test('is not called where the client has left, and the response had its turn all the same', async () => {
    const { client, first, second } = await pipeline({ executor: { prepare: () => {} } })
    second.begin()
    second.over = true
    first.response.end()
    await client.response(0)
    await turn()
    expect(second.calls).toEqual(['enter'])
  })
})

const busy = (retryAfterMs?: number): Error =>
  Object.assign(new RangeError('no room'), { statusCode: 503, ...(retryAfterMs && { retryAfterMs }) })

/** An executor whose admit() throws, or rejects. */
const refusing = (how: string, error: unknown): Partial<Executor> => ({
  admit: () => {
    if (how === 'rejects') return Promise.reject(error)
    throw error
  },
})

describe('admit()', () => {
  const REFUSED = ['enter', 'admit', 'moment refused: GET /, RangeError']

  test.each(['throws', 'rejects'])('that %s refuses the client', async (how) => {
    const { client, arrival } = await begin({ executor: refusing(how, busy()) })
    expect((await client.response()).status).toBe(503)
    expect(arrival.calls).toEqual([...REFUSED, 'refuse'])
  })

  test.each(['throws', 'rejects'])('that %s what is no error refuses with one', async (how) => {
    const { client, arrival } = await begin({ executor: refusing(how, 'full') })
    await client.response()
    expect(arrival.refused[0]).toMatchObject({
      message: 'The executor has refused the stream',
      cause: 'full',
    })
  })

  test.each<[string, number | undefined, number]>([
    ['as long as it names', 5_000, 5_000],
    ['a second, where it names no time', undefined, 1_000],
    ['a second, where it names less', 5, 1_000],
  ])('has the client stay away for %s, and up to twice that', async (_, retryAfterMs, leastMs) => {
    const { client, arrival } = await begin({
      executor: refusing('throws', busy(retryAfterMs)),
      route: { refusal: 'retry' },
    })
    const { status, body } = await client.response()
    const retryMs = Number(/^retry: (\d+)\n$/.exec(body)?.[1])
    expect(status).toBe(200)
    expect(retryMs).toBeGreaterThanOrEqual(leastMs)
    expect(retryMs).toBeLessThanOrEqual(2 * leastMs)
    expect(arrival.calls).toEqual([...REFUSED, 'send head'])
  })

  test('whose retry is sent: without the headers of another body', async () => {
    const { client } = await begin({
      executor: refusing('throws', busy()),
      route: { refusal: 'retry' },
      reply: (payload, response) =>
        void payload.pipe(response.setHeader('content-length', 1).setHeader('content-encoding', 'gzip')),
    })
    const { headers, body } = await client.response()
    expect(body).toMatch(/^retry: \d+\n$/)
    expect(headers).not.toHaveProperty('content-encoding')
    expect(headers).not.toHaveProperty('content-length')
  })

  test('holds the head back until it resolves', async () => {
    const { promise, resolve } = withResolvers()
    const { client, arrival } = await begin({ executor: { admit: async () => promise } })
    await turn()
    expect(arrival.calls).toEqual(['enter', 'admit'])
    resolve()
    await client.head()
    expect(arrival.calls).toEqual(OPENED)
  })

  test('that rejects when the client has left refuses nobody', async () => {
    const { promise, reject } = withResolvers()
    const { arrival } = await begin({ executor: { admit: async () => promise } })
    arrival.over = true
    reject(busy())
    await turn()
    expect(arrival.calls).toEqual(['enter', 'admit'])
  })

  test('that agrees when the client has left: the connection gives it back, and no head is sent', async () => {
    const { arrival } = await begin({ onAdmitted: () => false })
    expect(arrival.calls).toEqual(ADMITTED)
  })

  test('that never decides holds the head back for ever', async () => {
    const { arrival } = await begin({ executor: { admit: NEVER } })
    await turn()
    expect(arrival.calls).toEqual(['enter', 'admit'])
  })
})

function expectUnavailable({ refused }: Arrival): void {
  expect(refused).toEqual([
    expect.objectContaining({
      code: 'HF_ERR_EXECUTOR_UNAVAILABLE',
      message: expect.stringContaining('the server is closing') as string,
    }),
  ])
}

describe('a server that closes', () => {
  const UNAVAILABLE = ['moment refused: GET /, FastifyError', 'refuse']

  test('before prepare() refuses', async () => {
    const { client, arrivals } = await send({ executor: { prepare: () => {} } }, get('/'))
    const [arrival] = arrivals
    arrival.shuttingDown = true
    arrival.begin()
    expect((await client.response()).status).toBe(503)
    expect(arrival.calls).toEqual(['enter', ...UNAVAILABLE])
    expectUnavailable(arrival)
  })

  test('between prepare() and admit() refuses', async () => {
    const { promise, resolve } = withResolvers()
    const { client, arrival } = await begin({ executor: { prepare: async () => promise } })
    arrival.shuttingDown = true
    resolve()
    await client.response()
    expect(arrival.calls).toEqual(['enter', 'prepare', ...UNAVAILABLE])
    expectUnavailable(arrival)
  })

  test('after admit() refuses', async () => {
    const { client, arrival } = await begin({
      onAdmitted: (admitted) => (admitted.shuttingDown = true),
    })
    await client.response()
    expect(arrival.calls).toEqual([...ADMITTED, ...UNAVAILABLE])
    expectUnavailable(arrival)
  })
})

describe('the payload', () => {
  test('that a hook has wrapped opens no stream: the wrapper ends with an error, and the process goes on', async () => {
    const wrapper = new PassThrough()
    const { arrival } = await begin({ reply: (payload) => void payload.pipe(wrapper) })
    await turn()
    expect(arrival.calls).toEqual([...ADMITTED, 'send head'])
    expect(wrapper.errored).toMatchObject({ code: 'HF_ERR_PAYLOAD_WRAPPED' })
    expect(wrapper.errored?.message).toContain('GET /')
  })

  test('that a hook has wrapped in what cannot be destroyed opens no stream either', async () => {
    const wrapper = { on() {} } as unknown as NodeJS.WritableStream
    const { arrival } = await begin({ reply: (payload) => void payload.pipe(wrapper) })
    expect(arrival.calls).toEqual([...ADMITTED, 'send head'])
  })

  test('in whose place something else was replied opens no stream', async () => {
    const { client, arrival } = await begin({
      reply: (payload, response) => {
        response.end('something else')
        payload.pipe(response)
      },
    })
    expect((await client.response()).body).toBe('something else')
    expect(arrival.calls).toEqual([...ADMITTED, 'send head'])
  })

  test('that is followed by trailers is what the stream has to end, and not the response', async () => {
    const { arrival } = await begin({
      reply: (payload, response) => void payload.pipe(response, { end: false }),
    })
    expect(arrival.calls).toEqual(OPENED)
    expect(arrival.body).toBe(arrival.payload)
    await turn()
    expect(arrival.payload?.readableEnded).toBe(false)
  })

  test('leaves no length of it in the head of a stream', async () => {
    const { client } = await begin({
      reply: (payload, response) => void payload.pipe(response.setHeader('content-length', 5)),
    })
    expect((await client.head()).headers).not.toHaveProperty('content-length')
  })

  test('for a client of HTTP/1.0 leaves no header that it could not follow', async () => {
    const { client, arrivals } = await send({}, get('/').replace('HTTP/1.1', 'HTTP/1.0'))
    const [arrival] = arrivals
    arrival.response.setHeader('keep-alive', 'timeout=5')
    arrival.begin()
    const { headers } = await client.head()
    expect(headers).toMatchObject({ connection: 'close' })
    expect(headers).not.toHaveProperty('keep-alive')
  })
})
