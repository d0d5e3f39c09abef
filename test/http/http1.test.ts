import { once } from 'node:events'
import { connect, type AddressInfo, type Socket } from 'node:net'
import type { Readable } from 'node:stream'
import type { FastifyReply } from 'fastify'
import { describe, expect, onTestFinished, test } from 'vitest'
import type { EventStream, RouteOptions } from '../../src/index.ts'
import { makeFlags, until } from '../../src/testing/flags.ts'
import { awaitingSignal, echoing, numbers } from '../../src/testing/producers.ts'
import { get } from '../support/raw-client.ts'
import { Testbed } from '../support/testbed.ts'
import { EXECUTORS } from '../support/executors.ts'

const EVENTS = 'data: 0\n\ndata: 1\n\n'

async function serve(options: RouteOptions = {}): Promise<Testbed> {
  const testbed = await Testbed.make(options)
  testbed.app.get('/', { sse: true }, async (_, reply) => reply.sse(numbers, { count: 2 }))
  return testbed
}

/** A client on a bare socket, and what came, as text. */
interface BareClient {
  socket: Socket
  received: () => string
}

async function bare(testbed: Testbed): Promise<BareClient> {
  if (!testbed.app.server.listening) await testbed.app.listen({ port: 0, host: '127.0.0.1' })
  const socket = connect((testbed.app.server.address() as AddressInfo).port, '127.0.0.1')
  onTestFinished(() => void socket.destroy())
  let text = ''
  socket.on('error', () => {})
  socket.setEncoding('utf8').on('data', (received: string) => (text += received))
  await once(socket, 'connect')
  return { socket, received: () => text }
}

/** All that comes for a request until the server closes the connection. */
async function untilClosed(testbed: Testbed, request: string): Promise<{ head: string; body: string }> {
  const { socket, received } = await bare(testbed)
  socket.write(request)
  await once(socket, 'close')
  const [head = '', ...body] = received().split('\r\n\r\n')
  return { head, body: body.join('\r\n\r\n') }
}

describe.each(EXECUTORS)('HTTP/1.1 on %s', (executor) => {
  test('a connection is kept for the next request, and a client of many streams uses one', async () => {
    const testbed = await serve({ executor })
    const client = await testbed.connect()
    for (let n = 0; n < 5; n++) {
      client.send(get('/'))
      expect(await client.response(n)).toMatchObject({ status: 200, body: EVENTS })
      expect(client.responses[n]?.headers).toMatchObject({
        connection: 'keep-alive',
        'transfer-encoding': 'chunked',
      })
    }
    expect(client.socket.destroyed).toBe(false)
    expect(testbed.closed.map(({ reason }) => reason)).toEqual(Array.from({ length: 5 }, () => 'ended'))
  })

  test('"Connection: close" is heard: the connection ends after the stream', async () => {
    const testbed = await serve({ executor })
    const client = await testbed.ask('/', { connection: 'close' })
    expect(await client.response()).toMatchObject({ body: EVENTS, headers: { connection: 'close' } })
    await client.closed()
    expect((await testbed.closeInfo()).reason).toBe('ended')
  })
})

test.each(EXECUTORS)('a client that claims to speak 2.0 here gets its stream on %s', async (executor) => {
  const testbed = await serve({ executor })
  const { head, body } = await untilClosed(testbed, 'GET / HTTP/2.0\r\nhost: localhost\r\n\r\n')
  expect(head).toMatch(/^HTTP\/1\.1 200 OK\r\n/)
  expect(body).toBe(EVENTS)
  expect((await testbed.closeInfo()).reason).toBe('ended')
})

describe.each(EXECUTORS)('HTTP/1.0 on %s', (executor) => {
  test.each([
    ['', ''],
    [' that asks for keep-alive', 'connection: keep-alive\r\n'],
  ])('a client%s gets bare events, and the end of the connection', async (_, headers) => {
    const testbed = await serve({ executor })
    const { head, body } = await untilClosed(testbed, `GET / HTTP/1.0\r\n${headers}\r\n`)
    expect(head).toMatch(/^HTTP\/1\.1 200 OK\r\n/)
    expect(head).toMatch(/^connection: close$/im)
    expect(head).not.toMatch(/^(transfer-encoding|content-length):/im)
    expect(body).toBe(EVENTS)
    expect((await testbed.closeInfo()).reason).toBe('ended')
  })

  test('a client that leaves is seen, and the server can close', async () => {
    const flags = makeFlags()
    const testbed = await Testbed.make({ executor, graceMs: 600_000 })
    testbed.app.get('/leaves', { sse: true }, async (_, reply) =>
      reply.sse(awaitingSignal, { flags, reason: 'client' }),
    )
    testbed.app.get('/stays', { sse: true }, async (_, reply) =>
      reply.sse(awaitingSignal, { flags, reason: 'shutdown' }),
    )
    const [leaves, stays] = [await bare(testbed), await bare(testbed)]
    leaves.socket.write('GET /leaves HTTP/1.0\r\n\r\n')
    await until(() => leaves.received().endsWith('data: waiting\n\n'), 'the event')
    leaves.socket.destroy()
    expect((await testbed.closeInfo(0)).reason).toBe('client')
    stays.socket.write('GET /stays HTTP/1.0\r\n\r\n')
    await until(() => stays.received().endsWith('data: waiting\n\n'), 'the event')
    const closed = once(stays.socket, 'close')
    await testbed.app.close()
    await closed
    expect(stays.received()).toMatch(/\r\n\r\ndata: waiting\n\n: .+\nretry: \d+\n$/)
    expect((await testbed.closeInfo(1)).reason).toBe('shutdown')
  })
})

describe.each(['sse', 'send'] as const)('a 204 by reply.%s()', (how) => {
  test('tells a client that reconnects to stop, and keeps the connection', async () => {
    const testbed = await Testbed.make()
    testbed.app.get('/', { sse: true }, async (request, reply) => {
      if (request.headers['last-event-id'] === undefined) return reply.sse(numbers, { count: 2 })
      void reply.code(204)
      return how === 'send' ? reply.send() : reply.sse(numbers, { count: 2 })
    })
    const client = await testbed.ask('/')
    expect((await client.response(0)).body).toBe(EVENTS)
    client.send(get('/', { 'last-event-id': '1' }))
    const { status, headers } = await client.response(1)
    expect(status).toBe(204)
    expect(headers).not.toHaveProperty('transfer-encoding')
    expect(headers).not.toHaveProperty('content-length')
    client.send(get('/'))
    expect((await client.response(2)).body).toBe(EVENTS)
    await testbed.idle()
    expect(testbed.closed).toHaveLength(2)
  })
})

const handler = async (_request: unknown, reply: FastifyReply): Promise<unknown> =>
  reply.sse(() => expect.unreachable('the producer ran'))

describe('HEAD', () => {
  test.each([
    ['that Fastify adds', false],
    ['of its own', true],
  ])('on a route %s gets the head of the stream, and no producer', async (_, explicit) => {
    const testbed = await Testbed.make()
    const { app } = testbed
    if (explicit) app.head('/', { sse: true }, handler)
    app.get('/', { sse: true }, handler)
    const client = await testbed.connect()
    client.send(get('/', {}, 'HEAD') + get('/', { connection: 'close' }, 'HEAD'))
    const kept = await client.response(0)
    expect(kept).toMatchObject({ status: 200, body: '' })
    expect(kept.headers).toMatchObject({
      'content-type': 'text/event-stream',
      'cache-control': 'no-store, no-transform',
      'x-accel-buffering': 'no',
      vary: 'Accept',
    })
    await client.response(1)
    await client.closed()
    await testbed.idle()
    expect(testbed.closed).toEqual([])
  })
})

const post = (headers: Record<string, string>): string => get('/', headers, 'POST')

describe.each(EXECUTORS)('POST on %s', (executor) => {
  test('a JSON body is the input, small or large, in one piece or many', async () => {
    const testbed = await Testbed.make({ executor }, { bodyLimit: 3_000_000 })
    testbed.app.post('/', { sse: true }, async (request, reply) => reply.sse(echoing, request.body))
    const client = await testbed.connect()
    const headers = { 'content-type': 'application/json' }
    for (const [n, size] of [0, 1_000, 2_000_000].entries()) {
      const body = JSON.stringify({ text: 'x'.repeat(size) })
      client.send(post({ ...headers, 'content-length': String(body.length) }) + body)
      expect((await client.response(n)).body).toBe(`event: none\ndata: ${body}\n\n`)
    }
    client.send(post({ ...headers, 'transfer-encoding': 'chunked' }))
    for (const chunk of ['{"a"', ':1', '}']) client.send(`${chunk.length.toString(16)}\r\n${chunk}\r\n`)
    client.send('0\r\n\r\n')
    expect((await client.response(3)).body).toBe('event: none\ndata: {"a":1}\n\n')
  })

  test('a body that nobody reads does not hold the stream back, nor spoil the connection', async () => {
    const testbed = await Testbed.make({ executor })
    testbed.app.addContentTypeParser('application/x-ignored', (_request, _payload, done) => done(null))
    testbed.app.post('/', { sse: true }, async (_, reply) => reply.sse(numbers, { count: 2 }))
    const client = await testbed.connect()
    const size = 5_000_000
    client.send(post({ 'content-type': 'application/x-ignored', 'content-length': String(size) }))
    await client.including(EVENTS)
    client.send('x'.repeat(size))
    await client.response(0)
    client.send(post({ 'content-type': 'application/x-ignored', 'content-length': '1' }) + 'x')
    expect((await client.response(1)).body).toBe(EVENTS)
  })

  test('"Expect: 100-continue" is answered before the body comes, and the stream after it', async () => {
    const testbed = await Testbed.make({ executor })
    testbed.app.post('/', { sse: true }, async (request, reply) => reply.sse(echoing, request.body))
    const { socket, received } = await bare(testbed)
    socket.write(
      post({
        'content-type': 'application/json',
        'content-length': '7',
        expect: '100-continue',
        connection: 'close',
      }),
    )
    await until(() => received() === 'HTTP/1.1 100 Continue\r\n\r\n', 'the continue')
    socket.write('{"a":1}')
    await once(socket, 'close')
    expect(received()).toMatch(/\r\n\r\nHTTP\/1\.1 200 OK\r\n.*event: none\ndata: {"a":1}\n\n/s)
  })
})

/** A route that streams while its request's body comes. */
async function uploading(
  producer: (stream: EventStream, body: Readable) => void | Promise<void>,
  options: RouteOptions = {},
): Promise<Testbed> {
  const testbed = await Testbed.make(options)
  testbed.app.addContentTypeParser('application/octet-stream', (_request, payload, done) =>
    done(null, payload),
  )
  testbed.app.post<{ Body: Readable }>('/', { sse: true }, async (request, reply) =>
    reply.sse(async (stream) => producer(stream, request.body)),
  )
  return testbed
}

describe('an upload that still goes on', () => {
  const headers = { 'content-type': 'application/octet-stream', 'transfer-encoding': 'chunked' }

  test('can be answered chunk by chunk', async () => {
    const testbed = await uploading(async (stream, body) => {
      for await (const chunk of body) stream.send(String(chunk))
      stream.send('all of it')
    })
    const client = await testbed.ask('/', headers, 'POST')
    for (const chunk of ['first', 'second', 'third']) {
      client.send(`${chunk.length.toString(16)}\r\n${chunk}\r\n`)
      await client.including(`data: ${chunk}\n\n`)
    }
    client.send('0\r\n\r\n')
    expect((await client.response()).body).toMatch(/data: all of it\n\n$/)
    expect((await testbed.closeInfo()).reason).toBe('ended')
  })

  test('and whose client leaves in the middle is one that has left', async () => {
    let failed: unknown
    const testbed = await uploading(async (stream, body) => {
      body.on('error', (error) => (failed = error))
      body.resume()
      stream.send('here')
      await new Promise((resolve) => stream.signal.addEventListener('abort', resolve))
    })
    const client = await testbed.connect()
    client.send(get('/', headers, 'POST') + '5\r\nfirst\r\n')
    await client.including('here')
    client.destroy()
    expect((await testbed.closeInfo()).reason).toBe('client')
    await until(() => failed !== undefined, 'the error of the body')
    await testbed.idle()
  })

  test('and that nobody reads hides that its client left until something is written to it', async () => {
    const testbed = await uploading(
      async (stream) => {
        stream.send('here')
        await new Promise((resolve) => stream.signal.addEventListener('abort', resolve))
      },
      { heartbeatMs: 20 },
    )
    const { socket, received } = await bare(testbed)
    socket.write(get('/', headers, 'POST'))
    await until(() => received().includes('here'), 'the event')
    const chunk = `10000\r\n${'x'.repeat(0x1_00_00)}\r\n`
    for (let n = 0; n < 200; n++) socket.write(chunk)
    socket.destroy()
    expect((await testbed.closeInfo()).reason).toBe('client')
    await testbed.idle()
  })
})
