import { once } from 'node:events'
import { connect as connectHttp2 } from 'node:http2'
import { connect, type AddressInfo } from 'node:net'
import { PassThrough, pipeline, type Readable } from 'node:stream'
import zlib from 'node:zlib'
import compress, { type FastifyCompressOptions } from '@fastify/compress'
import cors from '@fastify/cors'
import Fastify from 'fastify'
import { describe, expect, onTestFinished, test } from 'vitest'
import headfirst, { type Producer } from '../../src/index.ts'
import { CONTENT_CODINGS } from '../../src/sse/compression.ts'
import { Flag, makeFlags } from '../../src/testing/flags.ts'
import { get } from '../support/raw-client.ts'
import { DecodingClient } from '../support/decoding-client.ts'
import { Testbed } from '../support/testbed.ts'
import * as pressed from './compression-producers.ts'
import { type Options, serve, one, nothing } from './compression-server.ts'

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
