import { constants } from 'node:http2'
import { connect as connectSocket } from 'node:net'
import { describe, expect, onTestFinished, test } from 'vitest'
import type { EventStream } from '../../src/index.ts'
import { Flag, makeFlags, until, untilRaised } from '../../src/testing/flags.ts'
import * as producers from '../../src/testing/producers.ts'
import { Testbed } from '../support/testbed.ts'
import type { Http2Client } from '../support/http2-client.ts'
import { type Http2Response } from '../support/http2-client.ts'
import { staysWith } from '../support/producers/endless.ts'
import { EXECUTORS } from '../support/executors.ts'
import {
  frame,
  PREFACE,
  HEADERS,
  SETTINGS,
  END_STREAM_AND_HEADERS,
  WINDOW_UPDATE,
} from '../support/http2-frames.ts'
import { HTTP2, matrix, make, connect, receive } from './protocols-clients.ts'
import { SERVERS } from '../support/protocols.ts'

/** The ways in which a client of HTTP/2 leaves. */
const LEAVES: Record<string, (client: Http2Client, response: Http2Response) => void> = {
  'resets the stream': (_, response) => response.stream.close(constants.NGHTTP2_CANCEL),
  'sends GOAWAY with an error, and hangs up': ({ session }) =>
    session.destroy(undefined, constants.NGHTTP2_INTERNAL_ERROR),
  'destroys its socket': (client) => client.hangUp(),
}

/** Asks for / over h2c with all windows open, and reads nothing of what comes: a client that has vanished. */
async function vanish(testbed: Testbed): Promise<void> {
  const socket = connectSocket(await testbed.listen(), '127.0.0.1').pause()
  onTestFinished(() => void socket.destroy())
  socket.on('error', () => {})
  const widest = Buffer.from([0x7f, 0xff, 0xff, 0xff])
  // SETTINGS_INITIAL_WINDOW_SIZE; the connection's WINDOW_UPDATE; GET / with fields of the static table.
  socket.write(PREFACE)
  socket.write(frame(SETTINGS, 0, 0, Buffer.concat([Buffer.from([0, 4]), widest])))
  socket.write(frame(WINDOW_UPDATE, 0, 0, Buffer.from([0x7f, 0, 0, 0])))
  const authority = Buffer.from('localhost')
  socket.write(
    frame(
      HEADERS,
      END_STREAM_AND_HEADERS,
      1,
      Buffer.from([0x82, 0x84, 0x86, 0x01, authority.length, ...authority]),
    ),
  )
}

describe.each(matrix(HTTP2))('%s, %s', (protocol, executor) => {
  test.each(Object.keys(LEAVES))('a client that %s is seen, and the producer told', async (how) => {
    const testbed = await make(protocol, { executor })
    const flags = makeFlags()
    testbed.route('/', producers.awaitingSignal, { flags, reason: 'client' })
    const client = await connect(testbed, protocol)
    const response = client.open('/')
    await response.including('waiting')
    await untilRaised(flags, Flag.STARTED)
    LEAVES[how]?.(client, response)
    expect((await testbed.closeInfo()).reason).toBe('client')
    await untilRaised(flags, Flag.SEEN)
    await testbed.idle()
    expect(testbed.logged).toEqual([])
  })

  test('a client that resets a stream that waits for it is seen', async () => {
    const testbed = await make(protocol, { executor })
    const flags = makeFlags()
    testbed.route('/', producers.endless, { flags })
    const client = await connect(testbed, protocol)
    const response = client.open('/', {}, false)
    await response.head()
    await untilRaised(flags, Flag.STARTED)
    response.stream.close(constants.NGHTTP2_CANCEL)
    await untilRaised(flags, Flag.FINALLY)
    expect((await testbed.closeInfo()).reason).toBe('client')
  })

  test('one client that does not read harms no other stream of its session', async () => {
    const testbed = await make(protocol, { executor, highWaterMark: 1_024 })
    const flags = makeFlags()
    const [count, size] = [200, 10_000]
    testbed.route('/stuck', producers.pacing, { flags, count, size })
    testbed.route('/numbers', producers.numbers, { count: 500 })
    testbed.route('/open', staysWith, ['here'])
    const client = await connect(testbed, protocol)
    const stuck = client.open('/stuck', {}, false)
    await untilRaised(flags, Flag.SEEN)
    const idle = client.open('/open')
    await idle.including('here')
    const numbers = Array.from({ length: 500 }, (_, n) => `data: ${n}\n\n`).join('')
    for (const other of Array.from({ length: 5 }, () => client.open('/numbers'))) {
      await other.over()
      expect(other.body).toBe(numbers)
    }
    expect(stuck).toMatchObject({ body: '', complete: false })
    expect(testbed.app.sse.stats().routes).toMatchObject({
      'GET /stuck': { open: 1 },
      'GET /open': { open: 1 },
    })
    stuck.read()
    await stuck.over()
    expect(stuck.body.match(/^id: \d+$/gm)).toHaveLength(count)
    expect(stuck.complete).toBe(true)
  })

  test('a client that never reads is closed when too much waits for it', async () => {
    const testbed = await make(protocol, { executor, highWaterMark: 1_024, maxBuffered: 200_000 })
    const flags = makeFlags()
    testbed.route('/', producers.flooding, { flags })
    testbed.route('/open', staysWith, ['here'])
    const client = await connect(testbed, protocol)
    const neighbour = client.open('/open')
    await neighbour.including('here')
    const response = client.open('/', {}, false)
    await response.head()
    await untilRaised(flags, Flag.FINALLY)
    expect((await testbed.closeInfo()).reason).toBe('overflow')
    response.read()
    await response.over()
    expect(response.stream.rstCode).toBe(constants.NGHTTP2_INTERNAL_ERROR)
    expect(neighbour.closed).toBe(false)
  })
})

describe.each(HTTP2)('%s', (protocol) => {
  test('the body of a POST is the input, and what is not accepted is a 406', async () => {
    const testbed = await make(protocol)
    testbed.app.post('/', { sse: true }, async (request, reply) => reply.sse(producers.echoing, request.body))
    const client = await connect(testbed, protocol)
    const headers = { ':method': 'POST', 'content-type': 'application/json' }
    const accepted = client.open('/', headers)
    accepted.stream.end('{"a":1}')
    expect((await accepted.over()).body).toBe('event: none\ndata: {"a":1}\n\n')
    const refused = client.open('/', { ...headers, accept: 'application/json' })
    refused.stream.end('{}')
    await refused.over()
    expect(refused.headers).toMatchObject({ ':status': 406, vary: 'Accept' })
    expect(refused.body).toContain('HF_ERR_NOT_ACCEPTABLE')
    await testbed.idle()
    expect(testbed.closed).toHaveLength(1)
  })

  test('trailers that the handler has declared come after the last event', async () => {
    const testbed = await make(protocol)
    testbed.app.get('/', { sse: true }, async (_, reply) =>
      reply.trailer('x-sum', async () => '42').sse(producers.numbers, { count: 2 }),
    )
    const client = await connect(testbed, protocol)
    const response = client.open('/', { te: 'trailers' })
    let trailers: Record<string, unknown> | undefined
    response.stream.on('trailers', (fields) => (trailers = fields))
    await response.over()
    expect(response).toMatchObject({ body: 'data: 0\n\ndata: 1\n\n', complete: true })
    expect(trailers).toMatchObject({ 'x-sum': '42' })
    expect((await testbed.closeInfo()).reason).toBe('ended')
  })

  test('a client that closes its session in peace still gets its streams to their end', async () => {
    const testbed = await make(protocol)
    let stream: EventStream | undefined
    testbed.app.get('/', { sse: true }, async (_, reply) =>
      reply.sse((opened: EventStream) => {
        stream = opened
        opened.send('before')
      }),
    )
    const client = await connect(testbed, protocol)
    const response = client.open('/')
    await response.including('before')
    client.session.close()
    // A second stream on a session of its own proves that the server has gone on since.
    await (await connect(testbed, protocol)).open('/', { ':method': 'HEAD' }).over()
    stream?.send('after')
    stream?.close()
    expect(await response.over()).toMatchObject({ body: 'data: before\n\ndata: after\n\n', complete: true })
    expect((await testbed.closeInfo()).reason).toBe('ended')
  })

  test.each([true, false])(
    'a shutdown with forceCloseConnections: %s ends streams, and sessions',
    async (force) => {
      const testbed = await Testbed.make(
        { graceMs: 600_000 },
        { ...SERVERS[protocol], forceCloseConnections: force },
      )
      testbed.route('/', staysWith, ['here'])
      const client = await connect(testbed, protocol)
      const responses = Array.from({ length: 20 }, () => client.open('/'))
      for (const response of responses) await response.including('here')
      await testbed.app.close()
      for (const response of responses) {
        await response.over()
        expect(response.body).toMatch(/^data: here\n\n: .+\nretry: \d+\n$/)
        expect(response.complete).toBe(true)
        expect(response.stream.rstCode).toBe(constants.NGHTTP2_NO_ERROR)
      }
      await until(() => client.closed, 'the session to be closed')
      expect(testbed.closed.map(({ reason }) => reason)).toEqual(responses.map(() => 'shutdown'))
    },
  )

  test('an end that was not delivered is not an end', async () => {
    const testbed = await make(protocol)
    let ended = false
    testbed.app.get('/', { sse: true }, async (_, reply) =>
      reply.sse(async (stream) => {
        stream.send('x'.repeat(500_000))
        stream.close()
        ended = true
      }),
    )
    const client = await connect(testbed, protocol)
    const response = client.open('/', {}, false)
    await response.head()
    await until(() => ended, 'the end of the producer')
    response.stream.close(constants.NGHTTP2_CANCEL)
    expect((await testbed.closeInfo()).reason).toBe('client')
  })

  test('headers of the connection that the handler sets do not reach the client, nor harm the stream', async () => {
    const testbed = await make(protocol)
    const forbidden = {
      connection: 'keep-alive',
      'keep-alive': 'timeout=5',
      'proxy-connection': 'keep-alive',
      'transfer-encoding': 'chunked',
      upgrade: 'h2c',
      'http2-settings': 'AAMAAABk',
    }
    testbed.app.get('/', { sse: true }, async (_, reply) =>
      reply.headers(forbidden).sse(producers.numbers, { count: 1 }),
    )
    const { status, headers, body } = await receive(testbed, protocol, '/')
    expect({ status, body }).toEqual({ status: 200, body: 'data: 0\n\n' })
    for (const name of Object.keys(forbidden)) expect(headers).not.toHaveProperty(name)
  })

  test('a shutdown breaks off, after its grace, what a client does not take', async () => {
    const testbed = await make(protocol, { graceMs: 100 })
    testbed.app.get('/', { sse: true }, async (_, reply) =>
      reply.sse((stream: EventStream) => void stream.send('x'.repeat(500_000))),
    )
    const client = await connect(testbed, protocol)
    const response = client.open('/', {}, false)
    await response.head()
    await testbed.app.close()
    expect((await testbed.closeInfo()).reason).toBe('shutdown')
    response.read()
    await response.over()
    expect(response.stream.rstCode).toBe(constants.NGHTTP2_INTERNAL_ERROR)
  })
})

describe.each(EXECUTORS)('h2c, %s: a client that has vanished', (executor) => {
  test('is closed when too much waits for it', async () => {
    const testbed = await make('h2c', { executor, maxBuffered: 200_000 })
    const flags = makeFlags()
    testbed.route('/', producers.flooding, { flags })
    await vanish(testbed)
    await untilRaised(flags, Flag.FINALLY)
    expect((await testbed.closeInfo()).reason).toBe('overflow')
    await testbed.idle()
  })

  test('holds up no shutdown beyond its grace', async () => {
    const testbed = await make('h2c', { executor, maxBuffered: 100_000_000, graceMs: 100 })
    // More than the kernels of both sides take.
    testbed.route('/', staysWith, ['x'.repeat(30_000_000)])
    await vanish(testbed)
    await until(() => testbed.app.sse.stats().routes['GET /']?.open === 1, 'the stream')
    await testbed.app.close()
    expect((await testbed.closeInfo()).reason).toBe('shutdown')
  })
})
