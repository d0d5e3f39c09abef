import { once } from 'node:events'
import type { IncomingMessage } from 'node:http'
import { constants } from 'node:http2'
import { request as requestTls } from 'node:https'
import { Worker } from 'node:worker_threads'
import { describe, expect, onTestFinished, test } from 'vitest'
import { encodeComment, encodeEvent } from '../../src/sse/event.ts'
import { Flag, makeFlags, until, untilRaised, type Flags } from '../../src/testing/flags.ts'
import * as producers from '../../src/testing/producers.ts'
import type { Testbed } from '../support/testbed.ts'
import { headSeen } from './protocols-producers.ts'
import { CERTIFICATE, isHttp2, origin, type Protocol, type TlsRequestOptions } from '../support/protocols.ts'
import { EXECUTORS } from '../support/executors.ts'
import { PROTOCOLS, matrix, make, connect, receive } from './protocols-clients.ts'

/** A client on a thread of its own. */
async function observe(testbed: Testbed, protocol: Protocol, path: string, flags: Flags): Promise<string> {
  const workerData = { protocol, port: await testbed.listen(), path, flags }
  const worker = new Worker(new URL('protocols-observer.ts', import.meta.url), { workerData })
  onTestFinished(async () => void (await worker.terminate()))
  const [body] = (await once(worker, 'message')) as [string]
  return body
}

/** A client that is connected, has the first event, and can leave. */
async function reading(testbed: Testbed, protocol: Protocol): Promise<{ leave: () => void }> {
  if (isHttp2(protocol)) {
    const response = (await connect(testbed, protocol)).open('/')
    await response.including('waiting')
    return { leave: () => response.stream.close(constants.NGHTTP2_CANCEL) }
  }
  const options: TlsRequestOptions = { ca: CERTIFICATE, agent: false, ALPNProtocols: ['http/1.1'] }
  const sent = requestTls(origin(protocol, await testbed.listen()), options).end()
  sent.on('error', () => {})
  const [response] = (await once(sent, 'response')) as [IncomingMessage]
  response.on('error', () => {})
  expect(String((await once(response, 'data'))[0])).toBe('data: waiting\n\n')
  return { leave: () => sent.destroy() }
}

describe.each(matrix(PROTOCOLS))('%s, %s', (protocol, executor) => {
  test('the head has arrived before the producer is started', async () => {
    const testbed = await make(protocol, { executor })
    const flags = makeFlags()
    testbed.route('/', headSeen, { flags })
    expect(await observe(testbed, protocol, '/', flags)).toBe('data: head seen\n\n')
  })

  test.each(['event', 'tick'] as const)('events arrive in order, with flush %s', async (flush) => {
    const testbed = await make(protocol, { executor, flush, retryMs: 7 })
    const count = 300
    testbed.route('/', producers.varied, { count })
    let expected = 'retry: 7\n'
    for (let n = 0; n < count; n++) {
      expected += encodeEvent(producers.variedEvent(n))
      if (n % 50 === 0) expected += encodeComment(`after ${n}`)
    }
    const { status, headers, body, complete } = await receive(testbed, protocol, '/')
    expect({ status, body, complete }).toEqual({ status: 200, body: expected, complete: true })
    expect(headers).toMatchObject({ 'content-type': 'text/event-stream', 'x-accel-buffering': 'no' })
    expect(await testbed.closeInfo()).toMatchObject({ reason: 'ended', events: count })
  })

  test('a producer that fails ends the stream, and leaks nothing', async () => {
    const testbed = await make(protocol, { executor })
    testbed.route('/', producers.throwing, undefined)
    const { status, body, complete } = await receive(testbed, protocol, '/')
    expect({ status, body, complete }).toEqual({ status: 200, body: 'data: before\n\n', complete: true })
    expect((await testbed.closeInfo()).reason).toBe('error')
  })

  test('large events keep to the pace of the client', async () => {
    const testbed = await make(protocol, { executor })
    const flags = makeFlags()
    // Far more than the kernel takes for a client that does not read.
    const [count, size] = [300, 100_000]
    testbed.route('/', producers.pacing, { flags, count, size })
    const mayRead = untilRaised(flags, Flag.SEEN)
    const { body, complete } = await receive(testbed, protocol, '/', { mayRead })
    expect(complete).toBe(true)
    expect(body.match(/^id: \d+$/gm)).toEqual(Array.from({ length: count }, (_, n) => `id: ${n}`))
    expect(body).toHaveLength(
      Array.from({ length: count }, (_, n) => encodeEvent({ id: n, data: 'x'.repeat(size) }).length).reduce(
        (a, b) => a + b,
      ),
    )
  })

  test('the server closes: an open stream gets its farewell, and its end', async () => {
    const testbed = await make(protocol, { executor, graceMs: 600_000 })
    const flags = makeFlags()
    testbed.route('/', producers.awaitingSignal, { flags, reason: 'shutdown' })
    const received = receive(testbed, protocol, '/')
    await untilRaised(flags, Flag.STARTED)
    await testbed.app.close()
    const { body, complete } = await received
    expect(body).toMatch(/^data: waiting\n\n: .+\nretry: \d+\n$/)
    expect(complete).toBe(true)
    expect((await testbed.closeInfo()).reason).toBe('shutdown')
    await untilRaised(flags, Flag.SEEN)
  })
})

describe.each(PROTOCOLS)('%s', (protocol) => {
  test('a producer that blocks its worker holds no event back', async () => {
    const testbed = await make(protocol, { executor: 'workers' })
    const flags = makeFlags()
    testbed.route('/', producers.blocking, { flags })
    expect(await observe(testbed, protocol, '/', flags)).toBe(
      'data: head seen\n\ndata: first seen\n\ndata: second seen\n\n',
    )
  })

  test('HEAD and 204 get their head, and start nothing', async () => {
    const testbed = await make(protocol)
    testbed.route('/', () => expect.unreachable('the producer ran'), undefined)
    testbed.app.get('/gone', { sse: true }, async (_, reply) =>
      reply.code(204).sse(() => expect.unreachable('the producer ran')),
    )
    expect(await receive(testbed, protocol, '/', { method: 'HEAD' })).toMatchObject({
      status: 200,
      body: '',
      headers: { 'content-type': 'text/event-stream' },
    })
    expect(await receive(testbed, protocol, '/gone')).toMatchObject({ status: 204, body: '' })
    await testbed.idle()
    expect(testbed.closed).toEqual([])
  })

  test('no header of the connection comes from us', async () => {
    const testbed = await make(protocol)
    testbed.route('/', producers.numbers, { count: 1 })
    const { headers } = await receive(testbed, protocol, '/')
    const names = isHttp2(protocol) ? ['connection', 'keep-alive', 'transfer-encoding', 'upgrade'] : []
    for (const name of names) expect(headers).not.toHaveProperty(name)
  })
})

describe.each(PROTOCOLS)('%s', (protocol) => {
  test.each(EXECUTORS)('a client that leaves is seen on %s, also by request.signal', async (executor) => {
    const testbed = await make(protocol, { executor })
    const flags = makeFlags()
    let signal: AbortSignal | undefined
    testbed.app.get('/', { sse: true }, async (request, reply) => {
      signal = request.signal
      return reply.sse(producers.awaitingSignal, { flags, reason: 'client' })
    })
    const { leave } = await reading(testbed, protocol)
    await untilRaised(flags, Flag.STARTED)
    expect(signal?.aborted).toBe(false)
    leave()
    expect((await testbed.closeInfo()).reason).toBe('client')
    await untilRaised(flags, Flag.SEEN)
    await until(() => signal?.aborted === true, 'request.signal')
    await testbed.idle()
  })
})
