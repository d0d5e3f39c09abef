import type { FastifyServerOptions } from 'fastify'
import { expect, test } from 'vitest'
import headfirst, { type EventStream, type HeadfirstOptions } from '../../src/index.ts'
import { get, type RawClient } from '../support/raw-client.ts'
import { Testbed } from '../support/testbed.ts'

/** Streams that say hello and stay open; `opened` holds them in order. */
async function serve(
  options: Omit<HeadfirstOptions, 'onClose'>,
  trustProxy: FastifyServerOptions['trustProxy'] = false,
): Promise<{ testbed: Testbed; opened: EventStream[]; producer: (stream: EventStream) => void }> {
  const testbed = await Testbed.make(options, { trustProxy })
  const opened: EventStream[] = []
  const producer = (stream: EventStream): void => {
    opened.push(stream)
    stream.send('hello')
  }
  testbed.app.get('/', { sse: true }, async (_, reply) => reply.sse(producer))
  return { testbed, opened, producer }
}

async function open(testbed: Testbed, path = '/', headers: Record<string, string> = {}): Promise<RawClient> {
  const client = await testbed.ask(path, headers)
  await client.including('hello')
  return client
}

interface Answer {
  status: number
  retryAfter: string | undefined
  code: string | undefined
}

/** What a request that should get no stream is answered. */
async function answer(testbed: Testbed, path = '/', headers: Record<string, string> = {}): Promise<Answer> {
  const { status, headers: answered, body } = await testbed.request(path, headers)
  return {
    status,
    retryAfter: answered['retry-after'],
    code: (JSON.parse(body) as { code?: string }).code,
  }
}

const TOO_MANY: Answer = { status: 429, retryAfter: '10', code: 'HF_ERR_CLIENT_LIMIT' }

test.each(['inline', 'microtask', 'deferred'])(
  'over maxStreamsPerClient a client gets 429, and a stream again when one of its own is over (%s)',
  async (executor) => {
    const { testbed, opened } = await serve({ executor, maxStreamsPerClient: 2 })
    const first = await open(testbed)
    await open(testbed)
    expect(await answer(testbed)).toEqual(TOO_MANY)
    expect(await answer(testbed)).toEqual(TOO_MANY)
    expect(opened).toHaveLength(2)
    expect(testbed.app.sse.stats().executors[executor]).toMatchObject({ admitted: 2, refused: 0 })

    opened[1]?.close()
    await testbed.closeInfo(0)
    await open(testbed)
    expect(await answer(testbed)).toEqual(TOO_MANY)

    first.destroy()
    await testbed.closeInfo(1)
    await open(testbed)
    expect(await answer(testbed)).toEqual(TOO_MANY)
    expect(opened).toHaveLength(4)
  },
)

test('with refusal "retry" the client is told when to come back', async () => {
  const { testbed } = await serve({ maxStreamsPerClient: 1, refusal: 'retry' })
  await open(testbed)
  const { status, body, complete } = await testbed.request('/')
  expect({ status, complete }).toEqual({ status: 200, complete: true })
  const [, retryMs] = /^retry: (\d+)\n$/.exec(body) ?? []
  expect(Number(retryMs)).toBeGreaterThanOrEqual(10_000)
  expect(Number(retryMs)).toBeLessThanOrEqual(20_000)
})

test('all routes that have a limit count together, those of nested registrations too', async () => {
  const { testbed, producer } = await serve({ maxStreamsPerClient: 2 })
  testbed.app.get('/more', { sse: { maxStreamsPerClient: 3 } }, async (_, reply) => reply.sse(producer))
  await testbed.app.register(async (scope) => {
    await scope.register(headfirst, { maxStreamsPerClient: 4 })
    scope.get('/nested', { sse: true }, async (_, reply) => reply.sse(producer))
  })
  await open(testbed, '/nested')
  await open(testbed, '/')
  expect(await answer(testbed, '/')).toEqual(TOO_MANY)
  await open(testbed, '/more')
  expect(await answer(testbed, '/more')).toEqual(TOO_MANY)
  await open(testbed, '/nested')
  expect(await answer(testbed, '/nested')).toEqual(TOO_MANY)
})

test('a route without a limit neither refuses nor counts', async () => {
  const { testbed, producer } = await serve({})
  testbed.app.get('/limited', { sse: { maxStreamsPerClient: 1 } }, async (_, reply) => reply.sse(producer))
  await open(testbed, '/')
  await open(testbed, '/')
  await open(testbed, '/limited')
  expect(await answer(testbed, '/limited')).toEqual(TOO_MANY)
  await open(testbed, '/')
})

/** As a proxy names whom it speaks for. */
const from = (address: string): Record<string, string> => ({ 'x-forwarded-for': address })

test('behind a proxy that Fastify trusts, a client is whom the proxy names', async () => {
  const { testbed } = await serve({ maxStreamsPerClient: 1 }, true)
  await open(testbed, '/', from('192.0.2.1'))
  await open(testbed, '/', from('192.0.2.2'))
  expect(await answer(testbed, '/', from('192.0.2.1'))).toEqual(TOO_MANY)
  // One address in two ways to write it, and one network of IPv6 in several.
  expect(await answer(testbed, '/', from('::ffff:192.0.2.2'))).toEqual(TOO_MANY)
  await open(testbed, '/', from('2001:db8:0:1::1'))
  expect(await answer(testbed, '/', from('2001:db8:0:1:ffff::2'))).toEqual(TOO_MANY)
  await open(testbed, '/', from('2001:db8:0:2::1'))
  // What a proxy has made up is a client as well.
  await open(testbed, '/', from('unknown'))
  expect(await answer(testbed, '/', from('unknown'))).toEqual(TOO_MANY)
})

test.each<[trust: NonNullable<FastifyServerOptions['trustProxy']>]>([
  ['loopback'],
  [['127.0.0.1/8']],
  [true],
])(
  'behind a proxy that writes ports and brackets, and that trustProxy %o names, a client is its address',
  async (trust) => {
    const { testbed } = await serve({ maxStreamsPerClient: 1 }, trust)
    await open(testbed, '/', from('203.0.113.7:50001'))
    expect(await answer(testbed, '/', from('203.0.113.7:50002'))).toEqual(TOO_MANY)
    expect(await answer(testbed, '/', from('203.0.113.7'))).toEqual(TOO_MANY)
    await open(testbed, '/', from('203.0.113.8:50001'))
    await open(testbed, '/', from('[2001:db8::1]:50001'))
    expect(await answer(testbed, '/', from('[2001:db8::2]:50002'))).toEqual(TOO_MANY)
    expect(await answer(testbed, '/', from('2001:db8::3'))).toEqual(TOO_MANY)
    await open(testbed, '/', from('[2001:db8:0:1::1]'))
  },
)

/** As the second of two proxies does that write ports. */
const via = (client: string): Record<string, string> => from(`${client}, 10.0.0.1:4000`)

test('with a function for trustProxy that is also where proxies write ports of each other', async () => {
  const proxies = ['127.0.0.1', '10.0.0.1']
  const trust = (address: string): boolean => proxies.includes(address.replace(/:\d+$/, ''))
  const { testbed } = await serve({ maxStreamsPerClient: 1 }, trust)
  await open(testbed, '/', via('203.0.113.7:50001'))
  await open(testbed, '/', via('203.0.113.8:50001'))
  expect(await answer(testbed, '/', via('203.0.113.7:50002'))).toEqual(TOO_MANY)
  // What a client has written itself stands before what the proxies say, and is not looked at.
  expect(await answer(testbed, '/', via('192.0.2.1, 203.0.113.7:50003'))).toEqual(TOO_MANY)
})

test('behind a proxy that Fastify does not trust, the header says nothing', async () => {
  const { testbed } = await serve({ maxStreamsPerClient: 1 })
  await open(testbed, '/', { 'x-forwarded-for': '192.0.2.1' })
  expect(await answer(testbed, '/', { 'x-forwarded-for': '192.0.2.2' })).toEqual(TOO_MANY)
})

test('clientKey says who a client is, and who is not limited', async () => {
  const { testbed } = await serve({
    maxStreamsPerClient: 1,
    clientKey: ({ headers }) => headers['x-user'] as string | undefined,
  })
  await open(testbed, '/', { 'x-user': 'ada' })
  await open(testbed, '/', { 'x-user': 'bob' })
  expect(await answer(testbed, '/', { 'x-user': 'ada' })).toEqual(TOO_MANY)
  // Names that an object would have by itself.
  await open(testbed, '/', { 'x-user': '__proto__' })
  expect(await answer(testbed, '/', { 'x-user': '__proto__' })).toEqual(TOO_MANY)
  await open(testbed)
  await open(testbed)
})

test('a clientKey that returns no key, or throws, is an error before the head, and nothing counts', async () => {
  let key: unknown = 7
  const { testbed, opened } = await serve({
    maxStreamsPerClient: 1,
    clientKey: () => {
      if (key === 'throw') throw new Error('who?')
      return key as string
    },
  })
  expect(JSON.parse((await testbed.request('/')).body)).toMatchObject({
    code: 'HF_ERR_OPTION_INVALID',
    message: expect.stringContaining('"clientKey" in route GET /'),
  })
  key = 'throw'
  expect(await testbed.request('/')).toMatchObject({ status: 500 })
  expect(opened).toHaveLength(0)
  expect(testbed.counted).toBe(0)
  key = 'ada'
  await open(testbed)
  expect(opened).toHaveLength(1)
})

test('pipelined requests count before their turn, and no more when their connection is gone', async () => {
  const { testbed, opened } = await serve({ maxStreamsPerClient: 3 })
  const client = await testbed.connect()
  client.send(get('/').repeat(5))
  await client.including('hello')
  expect(await answer(testbed)).toEqual(TOO_MANY)
  expect(opened).toHaveLength(1)
  // The three have the places; the two that came last were refused, and say so in their turn.
  for (const number of [0, 1, 2]) {
    await client.including('hello', number)
    opened[number]?.close()
  }
  expect(await client.response(3)).toMatchObject({ status: 429 })
  expect(await client.response(4)).toMatchObject({ status: 429 })
  await testbed.idle()

  const leaving = await testbed.connect()
  leaving.send(get('/').repeat(3))
  await leaving.including('hello')
  expect(await answer(testbed)).toEqual(TOO_MANY)
  leaving.destroy()
  await testbed.closeInfo(3)
  for (let n = 0; n < 3; n++) await open(testbed)
  expect(await answer(testbed)).toEqual(TOO_MANY)
})

test('what opens no stream takes no place', async () => {
  const { testbed, producer } = await serve({
    maxStreamsPerClient: 1,
    executors: {
      full: {
        admit() {
          throw Object.assign(new Error('no room'), { statusCode: 503 })
        },
        run() {},
      },
    },
  })
  const { app } = testbed
  app.get('/full', { sse: { executor: 'full' } }, async (_, reply) => reply.sse(producer))
  app.get('/empty', { sse: true }, async (_, reply) => reply.code(204).sse(producer))
  app.get('/broken', { sse: true, onSend: async () => Promise.reject(new Error('late')) }, async (_, reply) =>
    reply.sse(producer),
  )
  const stays = await testbed.connect()
  for (const [number, [method = '', path = '', status]] of [
    ['HEAD', '/', 200],
    ['GET', '/full', 503],
    ['GET', '/empty', 204],
    ['GET', '/broken', 500],
  ].entries() as Iterable<[number, [string, string, number]]>) {
    stays.send(get(path, {}, method))
    expect(await stays.response(number)).toMatchObject({ status })
  }
  await open(testbed)
  expect(await answer(testbed)).toEqual(TOO_MANY)
  expect(await testbed.request('/', {}, 'HEAD')).toMatchObject({ status: 200 })
})

test('a stream that waits for a thread counts', async () => {
  const { testbed, producer } = await serve({
    maxStreamsPerClient: 1,
    executors: { never: { run() {} } },
  })
  testbed.app.get('/never', { sse: { executor: 'never' } }, async (_, reply) => reply.sse(producer))
  const waits = await testbed.ask('/never')
  await waits.head()
  expect(await answer(testbed)).toEqual(TOO_MANY)
  waits.destroy()
  await testbed.closeInfo(0)
  await open(testbed)
})
