/** Streams that the server's own time limit for connections cuts: Fastify's `connectionTimeout`. */
import { once } from 'node:events'
import type { IncomingMessage } from 'node:http'
import { request as requestTls } from 'node:https'
import type { Socket } from 'node:net'
import type { FastifyServerOptions } from 'fastify'
import { describe, expect, test } from 'vitest'
import { workers } from '../../src/index.ts'
import { Flag, makeFlags, until, untilRaised } from '../../src/testing/flags.ts'
import { get } from '../support/raw-client.ts'
import { Testbed } from '../support/testbed.ts'
import { Http2Client } from '../support/http2-client.ts'
import {
  CERTIFICATE,
  isHttp2,
  origin,
  SERVERS,
  type Protocol,
  type TlsRequestOptions,
} from '../support/protocols.ts'
import { EXECUTORS } from '../support/executors.ts'
import { type Watched, makeReason, reasonIn } from '../support/producers/flagged.ts'
import * as endless from '../support/producers/endless.ts'
import * as plain from '../support/producers/plain.ts'

// Fastify gives the sessions of HTTP/2 the one limit, and ends them at it only where the other is set.
const LIMITS = { connectionTimeout: 300, http2SessionTimeout: 300 }

interface Served {
  testbed: Testbed
  /** Of the streams of `/0`, `/1`, …, which send one event and then nothing. */
  inputs: Watched[]
}

/** A server whose threads have started: no connection would outlive that. */
async function serve(executor: string, server: FastifyServerOptions = {}, streams = 1): Promise<Served> {
  const executors = { workers: workers({ threads: 1, niceIncrement: 0 }) }
  const testbed = await Testbed.everywhere(
    { executor, executors, heartbeatMs: 0, graceMs: 10_000 },
    { ...LIMITS, ...server },
  )
  testbed.app.get('/before', async () => 'before')
  const inputs = Array.from({ length: streams }, (_, n) => {
    const input = { flags: makeFlags(), reason: makeReason() }
    testbed.route(`/${n}`, endless.promise, input)
    return input
  })
  testbed.route('/first', plain.count, { events: 1 })
  expect((await testbed.app.inject('/first')).statusCode).toBe(200)
  testbed.closed.length = 0
  return { testbed, inputs }
}

/** All have read `timeout`: the hook, the producer, the counts. */
async function expectTimeouts({ testbed, inputs }: Served): Promise<void> {
  for (const [number, input] of inputs.entries()) {
    const { reason, error } = await testbed.closeInfo(number)
    expect(reason).toBe('timeout')
    expect(error).toMatchObject({ code: 'HF_ERR_STREAM_TIMEOUT', timeout: 'connectionTimeout' })
    expect((error as Error).message).toMatch(/connectionTimeout.*nothing was sent or received.*heartbeatMs/)
    await untilRaised(input.flags, Flag.SEEN)
    expect(reasonIn(input.reason)).toBe('timeout')
  }
  await testbed.idle()
  const { routes } = testbed.app.sse.stats()
  for (const n of inputs.keys()) expect(routes[`GET /${n}`]?.closed).toEqual({ timeout: 1 })
  expect(testbed.logged).toEqual([])
}

describe.each(EXECUTORS)('on %s', (executor) => {
  test.each(['kept alive', 'pipelined'])('a stream of HTTP/1.1, after a response, %s', async (way) => {
    const { testbed, inputs } = await serve(executor)
    const client = await testbed.connect()
    if (way === 'pipelined') client.send(get('/before') + get('/0'))
    else {
      client.send(get('/before'))
      await client.response()
      client.send(get('/0'))
    }
    await client.including('data: 0', 1)
    await client.closed()
    expect(client.responses[1]?.complete).toBe(false)
    await expectTimeouts({ testbed, inputs })
  })

  test.each<Protocol>(['HTTPS', 'HTTPS beside HTTP/2'])('a stream of %s', async (protocol) => {
    const { testbed, inputs } = await serve(executor, SERVERS[protocol])
    const port = await testbed.listen()
    const options: TlsRequestOptions = { ca: CERTIFICATE, agent: false, ALPNProtocols: ['http/1.1'] }
    const sent = requestTls(`${origin(protocol, port)}/0`, options).end()
    const [response] = (await once(sent, 'response')) as [IncomingMessage]
    response.on('error', () => {}).resume()
    await until(() => response.closed, 'the response to be over')
    expect(response.complete).toBe(false)
    await expectTimeouts({ testbed, inputs })
  })

  test.each<Protocol>(['HTTP/2 over TLS', 'h2c'])('all streams of a session of %s', async (protocol) => {
    expect(isHttp2(protocol)).toBe(true)
    const { testbed, inputs } = await serve(executor, SERVERS[protocol], 2)
    const port = await testbed.listen()
    const client = await Http2Client.connect(origin(protocol, port))
    const responses = inputs.map((_, n) => client.open(`/${n}`))
    for (const response of responses) await response.over()
    await expectTimeouts({ testbed, inputs })
  })
})

test('a limit that a listener has taken on itself cuts nothing: the next reason counts', async () => {
  const { testbed, inputs } = await serve('inline')
  const struck = once(testbed.app.server, 'timeout')
  const client = await testbed.ask('/0')
  await client.including('data: 0')
  await struck
  expect(testbed.closed).toEqual([])
  client.destroy()
  const { reason, error } = await testbed.closeInfo()
  expect({ reason, error }).toEqual({ reason: 'client', error: undefined })
  expect(reasonIn((inputs[0] as Watched).reason)).toBe('client')
})

const ENDINGS: Record<string, (socket: Socket) => void> = {
  destroys: (socket) => socket.destroy(),
  ends: (socket) => socket.end(),
  'destroys a moment later': (socket) => process.nextTick(() => socket.destroy()),
}

test.each(Object.keys(ENDINGS))(
  'a listener of the server that %s the connection is the limit, too',
  async (way) => {
    const { testbed, inputs } = await serve('inline')
    testbed.app.server.on('timeout', ENDINGS[way] as (socket: Socket) => void)
    const client = await testbed.ask('/0')
    await client.closed()
    expect(client.responses[0]?.complete).toBe(false)
    await expectTimeouts({ testbed, inputs })
  },
)

test('heartbeats keep a connection from its limit', async () => {
  const testbed = await Testbed.everywhere({ heartbeatMs: 50 }, { connectionTimeout: 150 })
  testbed.route('/', endless.promise, { flags: makeFlags(), reason: makeReason() })
  const client = await testbed.ask('/')
  await client.including(':\n'.repeat(12))
  expect(testbed.closed).toEqual([])
})
