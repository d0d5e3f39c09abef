import { AsyncLocalStorage } from 'node:async_hooks'
import { once } from 'node:events'
import { PassThrough, type Readable } from 'node:stream'
import { describe, expect, test } from 'vitest'
import { get } from '../support/raw-client.ts'
import { Http2Pair } from '../support/served-response.ts'
import { turn } from '../support/waiting.ts'
import { Arrival, send, begin, pipeline, gone, OPENED, ADMITTED } from './opening-arrival.ts'

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
    // From Node 24 on it is destroyed with its connection; before, nothing tells it.
    expect(second.response.socket).toBeNull()
    second.begin()
    expect(second.calls).toEqual(['abandon'])
  })

  test('is found by its stream of HTTP/2, which has no socket of its own', async () => {
    const pair = await Http2Pair.open()
    const calls: string[][] = []
    for (const leaves of [true, false]) {
      const { request, response, client } = await pair.request()
      const closed = once(response, 'close')
      if (leaves) client.close()
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
