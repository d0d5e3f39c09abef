import { PassThrough, pipeline, type Readable } from 'node:stream'
import { describe, expect, test } from 'vitest'
import { type EventStream } from '../../src/index.ts'
import { until } from '../../src/testing/flags.ts'
import { get } from '../support/raw-client.ts'
import { Testbed } from '../support/testbed.ts'
import { turn } from '../support/waiting.ts'

interface Idle {
  testbed: Testbed
  producer: (stream: EventStream) => void
  check: () => Promise<void>
}

/** A testbed whose producer must not run; `check` says that it did not, and that nothing is left of it. */
async function makeIdle(): Promise<Idle> {
  const testbed = await Testbed.make()
  let runs = 0
  return {
    testbed,
    producer: (stream) => {
      runs++
      stream.close()
    },
    check: async () => {
      await testbed.idle()
      await turn()
      await turn()
      const { routes, executors } = testbed.app.sse.stats()
      expect(runs).toBe(0)
      expect(testbed.closed).toEqual([])
      for (const route of Object.values(routes)) expect(route).toMatchObject({ open: 0, opened: 0 })
      expect(executors['inline']).toMatchObject({ running: 0, waiting: 0 })
    },
  }
}

async function makeHeld(): Promise<Idle & { sending: (() => void)[] }> {
  const idle = await makeIdle()
  const sending: (() => void)[] = []
  idle.testbed.app.addHook('onSend', async () => {
    await new Promise<void>((resolve) => sending.push(resolve))
  })
  idle.testbed.app.get('/', { sse: true }, async (_, reply) => {
    reply.sse(idle.producer)
    throw Object.assign(new Error('changed my mind'), { statusCode: 418 })
  })
  return { ...idle, sending }
}

describe('where no stream begins', () => {
  test('HEAD sends the head of GET, and runs no producer', async () => {
    const { testbed, producer, check } = await makeIdle()
    testbed.app.get('/', { sse: true }, async (_, reply) => reply.header('x-handler', '1').sse(producer))
    const client = await testbed.ask('/', {}, 'HEAD')
    const { status, headers } = await client.response()
    expect(status).toBe(200)
    expect(headers).toMatchObject({ 'content-type': 'text/event-stream', 'x-handler': '1' })
    // A body would be taken for the next response.
    client.send(get('/', {}, 'HEAD'))
    expect((await client.response(1)).status).toBe(200)
    await check()
    expect(testbed.app.sse.stats().executors['inline']).toMatchObject({ admitted: 0 })
  })

  test.each([204, 205, 304])('status %i sends the head, and runs no producer', async (status) => {
    const { testbed, producer, check } = await makeIdle()
    testbed.app.get('/', { sse: true }, async (_, reply) =>
      reply.code(status).header('x-handler', '1').sse(producer),
    )
    const client = await testbed.connect()
    for (const number of [0, 1]) {
      client.send(get('/'))
      const response = await client.response(number)
      expect(response.status).toBe(status)
      expect(response.headers).toMatchObject({ 'x-handler': '1' })
    }
    await check()
    expect(testbed.app.sse.stats().executors['inline']).toMatchObject({ admitted: 0 })
  })

  test.each([204, 205, 304])('an onSend that sets status %i sends the head only', async (status) => {
    const { testbed, producer, check } = await makeIdle()
    testbed.app.addHook('onSend', async (_, reply) => {
      reply.code(status)
    })
    testbed.app.get('/', { sse: true }, async (_, reply) => reply.sse(producer))
    const client = await testbed.connect()
    for (const number of [0, 1]) {
      client.send(get('/'))
      expect((await client.response(number)).status).toBe(status)
    }
    await check()
  })

  test('an onSend that throws replies with its error', async () => {
    const { testbed, producer, check } = await makeIdle()
    testbed.app.addHook('onSend', async () => {
      throw Object.assign(new Error('not this one'), { statusCode: 418 })
    })
    testbed.app.get('/', { sse: true }, async (_, reply) => reply.sse(producer))
    const { status, body } = await testbed.request('/')
    expect(status).toBe(418)
    expect(body).not.toMatch('data:')
    await check()
  })

  test('an onSend that throws later replies with its error, on a connection that goes on', async () => {
    const { testbed, producer, check } = await makeIdle()
    testbed.app.addHook('onSend', async (request) => {
      await turn()
      if (request.url === '/') throw Object.assign(new Error('not this one'), { statusCode: 418 })
    })
    testbed.app.get('/', { sse: true }, async (_, reply) => reply.sse(producer))
    testbed.app.get('/other', async () => 'other')
    const client = await testbed.ask('/')
    expect((await client.response(0)).status).toBe(418)
    client.send(get('/other'))
    expect((await client.response(1)).body).toBe('other')
    await check()
  })

  test.each<[string, unknown]>([
    ['a string', 'replaced'],
    ['bytes', Buffer.from('replaced')],
  ])('an onSend that replaces the payload by %s sends that', async (_, payload) => {
    const { testbed, producer, check } = await makeIdle()
    testbed.app.addHook('onSend', async () => payload)
    testbed.app.get('/', { sse: true }, async (_request, reply) => reply.sse(producer))
    expect((await testbed.request('/')).body).toBe('replaced')
    await check()
  })

  test.each<[string, (payload: Readable) => Readable]>([
    ['pipe()', (payload) => payload.pipe(new PassThrough())],
    ['pipeline()', (payload) => pipeline(payload, new PassThrough(), () => {})],
  ])('an onSend that wraps the stream with %s replies with an error that says so', async (_, wrap) => {
    const { testbed, producer, check } = await makeIdle()
    testbed.app.addHook('onSend', async (_request, _reply, payload) =>
      typeof payload === 'string' ? payload : wrap(payload as Readable),
    )
    testbed.app.get('/', { sse: true }, async (_request, reply) => reply.sse(producer))
    const client = await testbed.ask('/')
    const { status, body } = await client.response()
    expect(status).toBe(500)
    expect(JSON.parse(body)).toMatchObject({ code: 'HF_ERR_PAYLOAD_WRAPPED' })
    client.destroy()
    await check()
  })

  test('a client that has gone before the head left starts nothing', async () => {
    const { testbed, producer, check } = await makeIdle()
    let sending: (() => void) | undefined
    testbed.app.addHook('onSend', async () => {
      await new Promise<void>((resolve) => (sending = resolve))
    })
    testbed.app.get('/', { sse: true }, async (_, reply) => reply.sse(producer))
    const client = await testbed.ask('/')
    await until(() => sending !== undefined, 'onSend')
    expect(testbed.counted).toBe(1)
    client.destroy()
    await testbed.idle()
    sending?.()
    await check()
  })

  describe('a handler that throws after reply.sse(), while a hook holds both replies back', () => {
    test.each([
      ['soon after', async () => {}],
      ['a turn later', turn],
    ])('the error goes first, and the stream %s does not begin', async (_, pause) => {
      const { testbed, check, sending } = await makeHeld()
      const client = await testbed.ask('/')
      await until(() => sending.length === 2, 'both replies in onSend')
      sending[1]?.()
      await pause()
      sending[0]?.()
      expect((await client.response()).status).toBe(418)
      await check()
      client.send(get('/nowhere'))
      await until(() => sending.length === 3, 'the next request')
      sending[2]?.()
      expect((await client.response(1)).status).toBe(404)
    })

    test.each([
      ['soon after', async () => {}],
      ['a turn later', turn],
    ])('the stream goes first, and comes to its end with the error %s', async (_, pause) => {
      const { testbed, sending } = await makeHeld()
      const client = await testbed.ask('/')
      await until(() => sending.length === 2, 'both replies in onSend')
      sending[0]?.()
      await pause()
      sending[1]?.()
      await client.response()
      expect((await testbed.closeInfo()).reason).toBe('ended')
      await testbed.idle()
    })
  })
})
