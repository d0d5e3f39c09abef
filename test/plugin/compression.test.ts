import { once } from 'node:events'
import { connect as connectHttp2 } from 'node:http2'
import { connect, type AddressInfo } from 'node:net'
import { PassThrough, pipeline, type Readable } from 'node:stream'
import zlib from 'node:zlib'
import compress, { type FastifyCompressOptions } from '@fastify/compress'
import cors from '@fastify/cors'
import Fastify, { type FastifyRequest } from 'fastify'
import { describe, expect, onTestFinished, test } from 'vitest'
import headfirst, {
  workers,
  type EventStream,
  type Producer,
  type RouteOptions,
  type WorkersOptions,
} from '../../src/index.ts'
import { CONTENT_CODINGS, type ContentCoding } from '../../src/sse/compression.ts'
import { encodeComment, encodeEvent } from '../../src/sse/event.ts'
import { Flag, makeFlags, untilRaised, until } from '../../src/testing/flags.ts'
import { Observer } from '../../src/testing/observer.ts'
import { blocking, varied, variedEvent } from '../../src/testing/producers.ts'
import { get } from '../support/raw-client.ts'
import { DecodingClient } from '../support/decoding-client.ts'
import { Testbed } from '../support/testbed.ts'
import * as pressed from './compression-producers.ts'
import * as endless from '../support/producers/endless.ts'
import * as failing from '../support/producers/failing.ts'
import * as dying from '../support/producers/dying.ts'
import * as flooding from '../support/producers/flooding.ts'
import { EXECUTORS } from '../support/executors.ts'

type Options = Omit<RouteOptions<FastifyRequest>, 'onClose'>

/** A server with one route, `/`, that is compressed. */
async function serve<Input>(
  producer: Producer<Input>,
  input: Input,
  options: Options = {},
  pool: WorkersOptions = {},
): Promise<Testbed> {
  const testbed = await Testbed.make({
    compress: true,
    // On a machine with much else to do, threads of a lower priority would hardly run at all.
    executors: { workers: workers({ threads: 1, niceIncrement: 0, ...pool }) },
    ...options,
  })
  testbed.app.get('/', { sse: true }, async (_, reply) => reply.sse(producer as Producer<unknown>, input))
  return testbed
}

const one = async (stream: EventStream): Promise<void> => {
  stream.send('one')
}

const nothing = (): void => {}

const numbers = (count: number): string =>
  Array.from({ length: count }, (_, number) => `data: ${number}\n\n`).join('')

describe.each(EXECUTORS)('%s', (executor) => {
  describe.each(CONTENT_CODINGS)('%s', (coding) => {
    const accept = coding

    test.each(['event', 'tick'] as const)(
      'each event can be decoded before the next is sent (flush "%s")',
      async (flush) => {
        const flags = makeFlags()
        const count = 30
        const testbed = await serve(pressed.acknowledged, { flags, count }, { executor, flush, retryMs: 5 })
        const client = await DecodingClient.open(testbed, '/', { accept, flags })
        const body = await client.over()
        expect(client.coding).toBe(coding)
        expect(client.head.headers.vary).toContain('Accept-Encoding')
        const events = Array.from({ length: count }, (_, number) =>
          encodeEvent({ id: number, data: { number, text: 'größer 中 😀' } }),
        )
        expect(body).toBe(`retry: 5\n${events.join('')}`)
        expect(client.complete).toBe(true)
        expect(await testbed.closeInfo()).toMatchObject({
          reason: 'ended',
          events: count,
          bytes: Buffer.byteLength(body),
        })
      },
    )

    test('each event can be decoded while the producer blocks its thread', async () => {
      const flags = makeFlags()
      const testbed = await serve(blocking, { flags }, { executor })
      const port = await testbed.listen()
      const observer = new Observer(port, '/', { flags, headers: { 'accept-encoding': accept } })
      onTestFinished(async () => observer.dismiss())
      const { body, headers, complete } = await observer.over()
      expect(body).toBe('data: head seen\n\ndata: first seen\n\ndata: second seen\n\n')
      expect(headers['content-encoding']).toBe(coding)
      expect(complete).toBe(true)
    })

    test('events of all kinds decode to what they are without compression', async () => {
      const count = 300
      const testbed = await serve(varied, { count }, { executor })
      let expected = ''
      for (let n = 0; n < count; n++) {
        expected += encodeEvent(variedEvent(n))
        if (n % 50 === 0) expected += encodeComment(`after ${n}`)
      }
      const client = await DecodingClient.open(testbed, '/', { accept })
      expect((await client.over()) === expected).toBe(true)
      const bytes = Buffer.byteLength(expected)
      expect(await testbed.closeInfo()).toMatchObject({ reason: 'ended', events: count, bytes, dropped: 0 })
      expect(client.bytes).toBeLessThan(bytes)
      const plain = await DecodingClient.open(testbed, '/')
      expect((await plain.over()) === expected).toBe(true)
      expect(plain.coding).toBe(undefined)
      expect(await testbed.closeInfo(1)).toMatchObject({ reason: 'ended', events: count, bytes })
    })

    test('a silent stream is kept alive by bytes that decode to nothing', async () => {
      const flags = makeFlags()
      const testbed = await serve(pressed.silent, { flags }, { executor, heartbeatMs: 2 })
      const client = await DecodingClient.open(testbed, '/', { accept })
      await untilRaised(flags, Flag.STARTED)
      await until(() => client.bytes > 30, 'bytes of heartbeats')
      expect(client.text).toBe('')
      Atomics.store(flags, Flag.GO, 1)
      expect(await client.over()).toBe('data: at last\n\n')
      expect(client.complete).toBe(true)
      expect(await testbed.closeInfo()).toMatchObject({ events: 1, bytes: 15 })
    })

    test('what onError sends is the last that is decoded', async () => {
      for (const [producer, before] of [
        [failing.throws as Producer<unknown>, numbers(3)],
        [pressed.failingAtOnce as Producer<unknown>, ''],
      ] as const) {
        const testbed = await serve(
          producer,
          { events: 3 },
          { executor, retryMs: 7, onError: (_, stream) => stream.send({ event: 'failure', data: 'größer' }) },
        )
        const client = await DecodingClient.open(testbed, '/', { accept })
        expect(await client.over()).toBe(`retry: 7\n${before}event: failure\ndata: größer\n\n`)
        expect(client.complete).toBe(true)
        expect(await testbed.closeInfo()).toMatchObject({
          reason: 'error',
          bytes: Buffer.byteLength(client.text),
        })
      }
    })

    test('the farewell of a shutdown can be decoded', async () => {
      const testbed = await serve(endless.staysWith, ['0', '1', '2', '3', '4'], { executor })
      const client = await DecodingClient.open(testbed, '/', { accept })
      await client.got('data: 4\n\n')
      await testbed.app.close()
      expect(await client.over()).toMatch(/^(data: \d\n\n){5}: .+\nretry: \d+\n$/)
      expect(client.complete).toBe(true)
      const info = await testbed.closeInfo()
      expect(info).toMatchObject({ reason: 'shutdown', bytes: Buffer.byteLength(client.text), events: 5 })
    })

    test('events of any size arrive, also one that is larger than what carries it', async () => {
      const sizes = [1, 70_000, 1_500_000, 10, 300_000]
      const testbed = await serve(flooding.large, { sizes }, { executor, maxBuffered: 2 ** 26 })
      const client = await DecodingClient.open(testbed, '/', { accept })
      const expected = sizes.map((size, index) => `data: ${flooding.noise(size, index)}\n\n`).join('')
      expect((await client.over()) === expected).toBe(true)
      expect(client.complete).toBe(true)
      const bytes = expected.length
      expect(await testbed.closeInfo()).toMatchObject({ reason: 'ended', events: sizes.length, bytes })
    })

    test('what onOpen sends comes first', async () => {
      const testbed = await serve(
        varied,
        { count: 50 },
        { executor, retryMs: 3, onOpen: (stream) => void stream.send('hello') },
      )
      const client = await DecodingClient.open(testbed, '/', { accept })
      const body = await client.over()
      expect(body.startsWith('retry: 3\ndata: hello\n\ndata: 0 ')).toBe(true)
      expect(client.complete).toBe(true)
      expect(await testbed.closeInfo()).toMatchObject({ events: 51, bytes: Buffer.byteLength(body) })
    })

    test('with overflow "latest" a slow client decodes the newest of each name in the end', async () => {
      const flags = makeFlags()
      const [names, count] = [3, 300]
      const testbed = await serve(
        flooding.flooding,
        { flags, names, count, size: 65_536 },
        { executor, maxBuffered: 300_000, overflow: { latest: 'event' } },
      )
      const client = await DecodingClient.open(testbed, '/', { accept, paused: true })
      await untilRaised(flags, Flag.SEEN)
      Atomics.store(flags, Flag.GO, 1)
      client.read()
      await client.over()
      expect(client.complete).toBe(true)
      expect(client.coding).toBe(coding)
      const info = await testbed.closeInfo()
      expect(info.dropped).toBeGreaterThan(0)
      expect(client.events.length).toBe(info.events - info.dropped)
      for (const number of [count - 3, count - 2, count - 1])
        expect(client.text.includes(`data: ${number} `)).toBe(true)
      expect(client.text.endsWith('data: last\n\n')).toBe(true)
    })
  })

  test('the client that leaves in the middle is seen, and nothing stays counted', async () => {
    const testbed = await serve(endless.staysWith, ['0', '1', '2', '3', '4'], { executor })
    const client = await DecodingClient.open(testbed, '/', { accept: 'gzip' })
    await client.got('data: 4\n\n')
    client.leave()
    expect(await testbed.closeInfo()).toMatchObject({ reason: 'client', events: 5 })
    await testbed.idle()
  })
})

describe.each(CONTENT_CODINGS)('on workers, %s', (accept: ContentCoding) => {
  test('a stream that waits for a thread is kept alive, and then decodes', async () => {
    const [first, second] = [makeFlags(), makeFlags()]
    const testbed = await Testbed.make({
      compress: true,
      executor: 'workers',
      heartbeatMs: 2,
      retryMs: 9,
      executors: { workers: workers({ threads: 1, streamsPerThread: 1, niceIncrement: 0 }) },
    })
    testbed.app.get('/first', { sse: true }, async (_, reply) => reply.sse(pressed.silent, { flags: first }))
    testbed.app.get('/second', { sse: true }, async (_, reply) =>
      reply.sse(pressed.silent, { flags: second }),
    )
    await DecodingClient.open(testbed, '/first', { accept })
    await untilRaised(first, Flag.STARTED)
    const waiting = await DecodingClient.open(testbed, '/second', { accept })
    await until(() => waiting.bytes > 30, 'bytes of heartbeats')
    expect(Atomics.load(second, Flag.STARTED)).toBe(0)
    expect(waiting.text).toBe('')
    Atomics.store(first, Flag.GO, 1)
    Atomics.store(second, Flag.GO, 1)
    expect(await waiting.over()).toBe('retry: 9\ndata: at last\n\n')
    expect(waiting.complete).toBe(true)
  })

  test('a stream that never gets a thread says its retry all the same', async () => {
    const flags = makeFlags()
    const testbed = await serve(
      pressed.silent,
      { flags },
      { executor: 'workers', retryMs: 9 },
      { streamsPerThread: 1, maxQueueWaitMs: 1 },
    )
    // It has the only place.
    await DecodingClient.open(testbed, '/', { accept })
    const client = await DecodingClient.open(testbed, '/', { accept })
    expect(await client.over()).toBe('retry: 9\n')
    expect(client.complete).toBe(true)
    expect(await testbed.closeInfo()).toMatchObject({ reason: 'timeout', events: 0, bytes: 9 })
  })

  test('what was sent before the thread died decodes, and the body ends well', async () => {
    const testbed = await serve(dying.exits, { events: 2_000 }, { executor: 'workers', maxBuffered: 2 ** 26 })
    const client = await DecodingClient.open(testbed, '/', { accept })
    expect((await client.over()) === numbers(2_000)).toBe(true)
    expect(client.complete).toBe(true)
    const bytes = numbers(2_000).length
    expect(await testbed.closeInfo()).toMatchObject({ reason: 'lost', events: 2_000, bytes })
  })
})

describe('what is marked as compressed', () => {
  const accept = { 'accept-encoding': 'gzip' }

  test('not the stream of a client that accepts nothing of it, though caches are told', async () => {
    const testbed = await serve(one as Producer<undefined>, undefined)
    for (const headers of [{}, { 'accept-encoding': 'identity' }, { 'accept-encoding': 'gzip;q=0' }]) {
      const response = await testbed.request('/', headers)
      expect(response.body).toBe('data: one\n\n')
      expect(response.headers).not.toHaveProperty('content-encoding')
      expect(response.headers['vary']).toContain('Accept-Encoding')
    }
  })

  test('without the option nothing is, and nothing varies with it', async () => {
    const testbed = await serve(one as Producer<undefined>, undefined, { compress: false })
    const { headers, body } = await testbed.request('/', accept)
    expect(body).toBe('data: one\n\n')
    expect(headers).not.toHaveProperty('content-encoding')
    expect(headers['vary'] ?? '').not.toContain('Accept-Encoding')
  })

  test('the best of what the route offers and the client accepts', async () => {
    const testbed = await Testbed.make({ compress: { encodings: ['gzip', 'br'] } })
    testbed.app.get('/', { sse: true }, async (_, reply) => reply.sse(one))
    testbed.app.get('/own', { sse: { compress: true } }, async (_, reply) => reply.sse(one))
    testbed.app.get('/none', { sse: { compress: false } }, async (_, reply) => reply.sse(one))
    const all = { accept: 'gzip, deflate, br, zstd' }
    expect((await DecodingClient.open(testbed, '/', all)).coding).toBe('gzip')
    expect((await DecodingClient.open(testbed, '/own', all)).coding).toBe(CONTENT_CODINGS[0])
    expect((await DecodingClient.open(testbed, '/none', all)).coding).toBe(undefined)
  })

  test('a HEAD has the headers of the GET, and no body', async () => {
    const testbed = await serve(() => expect.unreachable('the producer ran'), undefined as never)
    const { headers, status, body } = await testbed.request('/', accept, 'HEAD')
    expect({ status, body }).toEqual({ status: 200, body: '' })
    expect(headers).toMatchObject({
      'content-encoding': 'gzip',
      vary: expect.stringContaining('Accept-Encoding') as string,
    })
  })

  test.each(['status', 'retry'] as const)('not the refusal of an executor (%s)', async (refusal) => {
    const testbed = await Testbed.make({
      compress: true,
      refusal,
      executor: 'full',
      executors: {
        full: {
          admit() {
            throw Object.assign(new Error('no room'), { statusCode: 503 })
          },
          run: () => expect.unreachable('run() was called'),
        },
      },
    })
    testbed.app.get('/', { sse: true }, async (_, reply) => reply.sse(nothing))
    const { status, headers, body } = await testbed.request('/', accept)
    expect(headers).not.toHaveProperty('content-encoding')
    expect(headers['vary']).toContain('Accept-Encoding')
    expect(status).toBe(refusal === 'status' ? 503 : 200)
    expect(body).toMatch(refusal === 'status' ? /no room/ : /^retry: \d+\n$/)
  })

  test('not the error of a handler, nor of a hook that throws when the stream is marked already', async () => {
    const testbed = await Testbed.make({ compress: true })
    testbed.app.get('/handler', { sse: true }, async () => {
      throw Object.assign(new Error('not acceptable'), { statusCode: 406 })
    })
    let threw = false
    const onSend = async (): Promise<void> => {
      if (threw) return
      threw = true
      throw new Error('hook')
    }
    testbed.app.get('/hook', { sse: true, onSend }, async (_, reply) => reply.sse(nothing))
    const handler = await testbed.request('/handler', accept)
    expect(handler).toMatchObject({ status: 406, body: /not acceptable/ })
    expect(handler.headers).not.toHaveProperty('content-encoding')
    const hook = await testbed.request('/hook', accept)
    expect(hook).toMatchObject({ status: 500, body: /hook/ })
    expect(hook.headers).not.toHaveProperty('content-encoding')
  })

  test('not what a hook replies instead', async () => {
    const testbed = await Testbed.make({ compress: true })
    testbed.app.addHook('onSend', async () => 'something else')
    testbed.app.get('/', { sse: true }, async (_, reply) => reply.sse(nothing))
    const { headers, body } = await testbed.request('/', accept)
    expect(body).toBe('something else')
    expect(headers).not.toHaveProperty('content-encoding')
  })

  test('not the error that tells of a hook that has wrapped the stream', async () => {
    const testbed = await Testbed.make({ compress: true })
    testbed.app.get(
      '/',
      {
        sse: true,
        onSend: async (_request, _reply, payload) =>
          typeof payload === 'string' ? payload : pipeline(payload as Readable, new PassThrough(), () => {}),
      },
      async (_, reply) => reply.sse(nothing),
    )
    const { status, headers, body } = await testbed.request('/', accept)
    expect(status).toBe(500)
    expect(JSON.parse(body)).toMatchObject({ code: 'HF_ERR_PAYLOAD_WRAPPED' })
    expect(headers).not.toHaveProperty('content-encoding')
  })

  test('a coding that the handler has chosen itself is left alone', async () => {
    const testbed = await Testbed.make({ compress: true })
    testbed.app.get('/', { sse: true }, async (_, reply) =>
      reply.header('content-encoding', 'identity').sse(one),
    )
    const { headers, body } = await testbed.request('/', accept)
    expect(headers['content-encoding']).toBe('identity')
    expect(body).toBe('data: one\n\n')
  })

  test('a hook may take the coding away again', async () => {
    const testbed = await Testbed.make({ compress: true })
    testbed.app.addHook('onSend', async (_request, reply) => {
      reply.removeHeader('content-encoding')
    })
    testbed.app.get('/', { sse: true }, async (_, reply) => reply.sse(one))
    const { headers, body } = await testbed.request('/', accept)
    expect(headers).not.toHaveProperty('content-encoding')
    expect(body).toBe('data: one\n\n')
  })

  test('Vary is added to what is there', async () => {
    const testbed = await Testbed.make({ compress: true })
    const { app } = testbed
    await app.register(cors, { origin: ['http://a', 'http://b'] })
    app.get('/cors', { sse: true }, async (_, reply) => reply.sse(one))
    app.get('/own', { sse: true }, async (_, reply) => reply.header('vary', 'Accept').sse(one))
    app.get('/has', { sse: true }, async (_, reply) => reply.header('vary', 'x, accept-encoding').sse(one))
    app.get('/any', { sse: true }, async (_, reply) => reply.header('vary', '*').sse(one))
    app.get('/list', { sse: true }, async (_, reply) => reply.header('vary', ['A', 'B'] as never).sse(one))
    const headers = { ...accept, origin: 'http://a' }
    const vary = async (path: string): Promise<string[] | undefined> =>
      (await testbed.request(path, headers)).headers['vary']?.split(/,\s*/)
    expect(await vary('/cors')).toEqual(expect.arrayContaining(['Origin', 'Accept-Encoding']))
    expect(await vary('/own')).toContain('Accept-Encoding')
    expect((await vary('/has'))?.filter((name) => name.toLowerCase() === 'accept-encoding')).toHaveLength(1)
    expect(await vary('/any')).toContain('*')
    expect(await vary('/list')).toEqual(expect.arrayContaining(['A', 'B', 'Accept-Encoding']))
  })
})

test('a client of HTTP/1.0 gets the coded body, and the end of the connection', async () => {
  const testbed = await serve(one as Producer<undefined>, undefined)
  await testbed.app.listen({ port: 0, host: '127.0.0.1' })
  const socket = connect((testbed.app.server.address() as AddressInfo).port, '127.0.0.1')
  const parts: Buffer[] = []
  socket.on('data', (bytes: Buffer) => parts.push(bytes))
  socket.write('GET / HTTP/1.0\r\naccept-encoding: gzip\r\n\r\n')
  await once(socket, 'close')
  const all = Buffer.concat(parts)
  const end = all.indexOf('\r\n\r\n') + 4
  expect(all.toString('latin1', 0, end)).toMatch(/content-encoding: gzip\r\n/i)
  expect(zlib.gunzipSync(all.subarray(end)).toString()).toBe('data: one\n\n')
})

test('a client of HTTP/2 decodes each event as it comes', async () => {
  const flags = makeFlags()
  const app = Fastify({ http2: true })
  onTestFinished(async () => app.close())
  await app.register(headfirst as never, { compress: true })
  app.get('/', { sse: true } as never, async (_, reply) =>
    (reply as unknown as { sse: (...args: unknown[]) => never }).sse(pressed.acknowledged, {
      flags,
      count: 5,
    }),
  )
  await app.listen({ port: 0, host: '127.0.0.1' })
  const session = connectHttp2(`http://127.0.0.1:${(app.server.address() as AddressInfo).port}`)
  onTestFinished(() => session.destroy())
  const request = session.request({ ':path': '/', 'accept-encoding': 'gzip' })
  const [headers] = (await once(request, 'response')) as [Record<string, string>]
  expect(headers['content-encoding']).toBe('gzip')
  let text = ''
  const body = request.pipe(zlib.createGunzip()).setEncoding('utf8')
  for await (const part of body) {
    text += part
    Atomics.store(flags, Flag.EVENTS, text.split('\n\n').length - 1)
  }
  expect(text.match(/^data/gm)).toHaveLength(5)
})

describe.each(['before', 'after'] as const)('@fastify/compress, registered %s headfirst', (order) => {
  const configurations: [string, FastifyCompressOptions, inflates: boolean][] = [
    ['its defaults', {}, false],
    ['types that include event streams', { customTypes: /./ }, false],
    ['a threshold of 0', { threshold: 0, customTypes: /event-stream/ }, false],
    ['inflateIfDeflated', { inflateIfDeflated: true }, true],
    ['inflateIfDeflated and all types', { inflateIfDeflated: true, customTypes: /./ }, true],
  ]

  describe.each(configurations)('with %s', (_, options, inflates) => {
    async function make(sse: Options): Promise<{ testbed: Testbed; flags: ReturnType<typeof makeFlags> }> {
      const testbed = new Testbed()
      const flags = makeFlags()
      const { app } = testbed
      if (order === 'before') await app.register(compress, options)
      await app.register(headfirst, { ...sse, onClose: testbed.record })
      if (order === 'after') await app.register(compress, options)
      app.get('/', { sse: true }, async (_request, reply) =>
        reply.sse(pressed.acknowledged, { flags, count: 5 }),
      )
      app.get('/json', { sse: true }, async () => ({ long: 'x'.repeat(5_000) }))
      return { testbed, flags }
    }

    test('a stream that is compressed here is compressed once, and swallowed by nobody', async () => {
      const { testbed, flags } = await make({ compress: true })
      const client = await DecodingClient.open(testbed, '/', { accept: 'gzip', flags })
      await client.over()
      expect(client.coding).toBe('gzip')
      expect(client.events).toHaveLength(5)
      expect(client.complete).toBe(true)
      // What else the route answers is still its own to compress.
      const json = await DecodingClient.open(testbed, '/json', { accept: 'gzip' })
      expect(JSON.parse(await json.over())).toHaveProperty('long')
      expect(json.coding).toBe('gzip')
    })

    test.each<[string, Options, string | undefined]>([
      ['a stream that is not compressed', {}, 'gzip'],
      ['a stream for a client that accepts nothing', { compress: true }, undefined],
      ['a stream for a client that accepts something else', { compress: { encodings: ['br'] } }, 'gzip'],
    ])(
      `%s is ${inflates ? 'refused with an error that names the cure' : 'left as it is'}`,
      async (_what, sse, accept) => {
        const { testbed, flags } = await make(sse)
        const client = await DecodingClient.open(testbed, '/', {
          ...(accept !== undefined && { accept }),
          flags,
        })
        const body = await client.over()
        const { statusCode: status } = client.head
        const [expected, text] = inflates
          ? [500, /HF_ERR_PAYLOAD_WRAPPED.*compress: false/]
          : [200, /^(id: \d\ndata: .+\n\n){5}$/]
        expect(status).toBe(expected)
        expect(body).toMatch(text)
        expect(client.coding ?? 'identity').toBe('identity')
      },
    )

    test('with the route option compress: false it keeps its hands off', async () => {
      const { testbed, flags } = await make({})
      testbed.app.get('/off', { sse: true, compress: false }, async (_request, reply) =>
        reply.sse(pressed.acknowledged, { flags, count: 5 }),
      )
      const client = await DecodingClient.open(testbed, '/off', { accept: 'gzip', flags })
      await client.over()
      expect(client.events).toHaveLength(5)
    })
  })
})

test('a pipelined request waits for its turn, and its body is coded', async () => {
  const testbed = await serve(one as Producer<undefined>, undefined)
  const client = await testbed.connect()
  client.send(get('/', { 'accept-encoding': 'gzip' }) + get('/'))
  expect((await client.response(0)).headers['content-encoding']).toBe('gzip')
  expect((await client.response(1)).body).toBe('data: one\n\n')
})
