import cookie from '@fastify/cookie'
import cors from '@fastify/cors'
import helmet from '@fastify/helmet'
import type { FastifyRequest } from 'fastify'
import { PassThrough, pipeline, type Readable } from 'node:stream'
import { describe, expect, test } from 'vitest'
import headfirst, { type EventStream } from '../../src/index.ts'
import { blockUntil, Flag, makeFlags, until } from '../../src/testing/flags.ts'
import { Observer } from '../../src/testing/observer.ts'
import { get } from '../support/raw-client.ts'
import { Testbed } from '../support/testbed.ts'

/** Sends one event and ends. */
const one = async (stream: EventStream): Promise<void> => {
  stream.send('one')
}

/** Sends one event and stays open. */
const open = (stream: EventStream): void => {
  stream.send('open')
}

const nextTurn = async (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

describe('before the head', () => {
  test('every hook runs, and each may still change status and headers', async () => {
    const testbed = await Testbed.make()
    const { app } = testbed
    const ran: string[] = []
    app.addHook('onRequest', async (_, reply) => {
      ran.push('onRequest')
      reply.header('x-on-request', '1').header('x-changed', 'onRequest')
    })
    app.addHook('preParsing', async () => {
      ran.push('preParsing')
    })
    app.addHook('preValidation', async () => {
      ran.push('preValidation')
    })
    app.addHook('preHandler', async (_, reply) => {
      ran.push('preHandler')
      reply.header('x-pre-handler', '1')
    })
    app.addHook('onSend', async (_, reply) => {
      await nextTurn()
      ran.push(`onSend, head ${reply.raw.headersSent ? 'sent' : 'not sent'}`)
      reply.code(201).header('x-changed', 'onSend').header('x-on-send', '1').removeHeader('x-removed')
    })
    app.get('/', { sse: true }, async (_, reply) => {
      ran.push('handler')
      reply.code(202).header('x-handler', '1').header('x-removed', '1').header('x-changed', 'handler')
      return reply.sse(async (stream) => {
        ran.push('producer')
        stream.send('one')
      })
    })
    const { status, headers, body } = await testbed.request('/')
    expect(ran).toEqual([
      'onRequest',
      'preParsing',
      'preValidation',
      'preHandler',
      'handler',
      'onSend, head not sent',
      'producer',
    ])
    expect(status).toBe(201)
    expect(headers).toMatchObject({
      'content-type': 'text/event-stream',
      'cache-control': 'no-store, no-transform',
      'x-accel-buffering': 'no',
      'x-on-request': '1',
      'x-pre-handler': '1',
      'x-handler': '1',
      'x-on-send': '1',
      'x-changed': 'onSend',
    })
    expect(headers).not.toHaveProperty('x-removed')
    expect(headers).not.toHaveProperty('content-length')
    expect(body).toBe('data: one\n\n')
  })

  test('headers that the handler set are not overwritten', async () => {
    const testbed = await Testbed.make()
    testbed.app.get('/', { sse: true }, async (_, reply) =>
      reply
        .headers({ 'Cache-Control': 'private', 'x-accel-buffering': 'yes' })
        .type('text/event-stream; charset=utf-8')
        .sse(one),
    )
    expect((await testbed.request('/')).headers).toMatchObject({
      'cache-control': 'private',
      'x-accel-buffering': 'yes',
      'content-type': 'text/event-stream; charset=utf-8',
    })
  })

  test.each(['inline', 'microtask', 'deferred'])(
    'the head has left, with what onSend added, before the producer starts (%s)',
    async (executor) => {
      const testbed = await Testbed.make({ executor })
      const { app } = testbed
      app.addHook('onSend', async (_, reply) => {
        reply.header('x-on-send', '1')
      })
      const flags = makeFlags()
      let seen: boolean | undefined
      app.get('/', { sse: true }, async (_, reply) =>
        reply.sse(async () => {
          // Nothing else moves on this thread until the client, on one of its own, has the head.
          seen = blockUntil(flags, Flag.HEAD)
        }),
      )
      await app.listen({ port: 0, host: '127.0.0.1' })
      const observer = new Observer((app.server.address() as { port: number }).port, '/', { flags })
      expect((await observer.over()).headers).toMatchObject({ 'x-on-send': '1' })
      expect(seen).toBe(true)
    },
  )

  test('@fastify/cors, @fastify/cookie and @fastify/helmet add their headers', async () => {
    const testbed = await Testbed.make()
    const { app } = testbed
    await app.register(cors, { origin: 'https://example.org', credentials: true, exposedHeaders: ['x-a'] })
    await app.register(cookie, { secret: 'a secret of the test' })
    await app.register(helmet)
    app.get('/', { sse: true }, async (request, reply) => {
      const { cookies } = request
      reply.setCookie('seen', 'yes', { httpOnly: true }).setCookie('who', 'me', { signed: true })
      return reply.sse(async (stream) => {
        stream.send(cookies['session'] ?? 'none')
      })
    })
    const { status, headers, body } = await testbed.request('/', {
      origin: 'https://example.org',
      cookie: 'session=abc',
    })
    expect(status).toBe(200)
    expect(body).toBe('data: abc\n\n')
    expect(headers).toMatchObject({
      'access-control-allow-origin': 'https://example.org',
      'access-control-allow-credentials': 'true',
      'access-control-expose-headers': 'x-a',
      'x-content-type-options': 'nosniff',
      'strict-transport-security': expect.stringContaining('max-age') as string,
      'content-security-policy': expect.stringContaining("default-src 'self'") as string,
    })
    expect(headers['set-cookie']).toMatch(/seen=yes; HttpOnly.*who=me\./)
  })

  test('a preflight request is answered by @fastify/cors', async () => {
    const testbed = await Testbed.make()
    await testbed.app.register(cors, { origin: 'https://example.org' })
    testbed.app.get('/', { sse: true }, async (_, reply) => reply.sse(one))
    const preflight = { origin: 'https://example.org', 'access-control-request-method': 'GET' }
    const { status, headers } = await testbed.request('/', preflight, 'OPTIONS')
    expect(status).toBe(204)
    expect(headers['access-control-allow-origin']).toBe('https://example.org')
  })

  test('a POST with a body gets its stream', async () => {
    const testbed = await Testbed.make()
    testbed.app.post('/', { sse: true }, async (request, reply) => {
      const { body } = request
      return reply.sse(async (stream) => {
        stream.send({ data: body })
      })
    })
    const client = await testbed.connect()
    const body = '{"a":1}'
    const headers = { 'content-type': 'application/json', 'content-length': String(body.length) }
    client.send(`${get('/', headers, 'POST')}${body}`)
    expect((await client.response()).body).toBe('data: {"a":1}\n\n')
    await testbed.idle()
  })

  test('a handler that is not async may call it without returning it', async () => {
    const testbed = await Testbed.make()
    testbed.app.get('/', { sse: true }, (_, reply) => {
      reply.header('x-handler', '1').sse(one)
    })
    expect(await testbed.request('/')).toMatchObject({
      headers: { 'x-handler': '1' },
      body: 'data: one\n\n',
    })
  })

  test('the handler may throw instead', async () => {
    const testbed = await Testbed.make()
    testbed.app.get('/', { sse: true }, async () => {
      throw Object.assign(new Error('no such report'), { statusCode: 404 })
    })
    const { status, body } = await testbed.request('/')
    expect(status).toBe(404)
    expect(JSON.parse(body)).toMatchObject({ message: 'no such report' })
  })

  test('the handler may send something else instead', async () => {
    const testbed = await Testbed.make()
    testbed.app.get('/', { sse: true }, async () => ({ plain: true }))
    const { headers, body } = await testbed.request('/')
    expect(headers['content-type']).toMatch('application/json')
    expect(body).toBe('{"plain":true}')
  })
})

describe('after the head', () => {
  test('onResponse runs when the response has finished, after the last event', async () => {
    const testbed = await Testbed.make()
    const order: string[] = []
    testbed.app.addHook('onResponse', async (_, reply) => {
      order.push(`onResponse ${reply.statusCode}`)
    })
    testbed.app.addHook('onRequestAbort', (_request, done) => {
      order.push('onRequestAbort')
      done()
    })
    testbed.app.get('/', { sse: true }, async (_, reply) =>
      reply.sse(async (stream) => {
        stream.send('one')
        await nextTurn()
        order.push('producer')
      }),
    )
    await testbed.request('/')
    await testbed.closeInfo()
    expect(order).toEqual(['producer', 'onResponse 200'])
  })

  test('onRequestAbort runs when the client has left', async () => {
    const testbed = await Testbed.make()
    const ran: string[] = []
    testbed.app.addHook('onResponse', async () => {
      ran.push('onResponse')
    })
    testbed.app.addHook('onRequestAbort', (_request, done) => {
      ran.push('onRequestAbort')
      done()
    })
    testbed.app.get('/', { sse: true }, async (_, reply) => reply.sse(open))
    const client = await testbed.ask('/')
    await client.including('open')
    client.destroy()
    expect((await testbed.closeInfo()).reason).toBe('client')
    await until(() => ran.length > 0, 'onRequestAbort')
    expect(ran).toEqual(['onRequestAbort'])
    await testbed.idle()
  })

  describe.each([
    ['with a logger', {}],
    ['without a logger', { logger: false }],
    ['with a handlerTimeout', { handlerTimeout: 600_000 }],
  ])('request.signal (%s)', (_, server) => {
    test.each(['handler', 'onOpen', 'producer'])('asked for in the %s', async (place) => {
      const testbed = new Testbed(server)
      const signals: AbortSignal[] = []
      const ask = (where: string, request: FastifyRequest): void => {
        if (where === place) signals.push(request.signal)
      }
      await testbed.app.register(headfirst, {
        onOpen: (_stream, request) => ask('onOpen', request),
        onClose: testbed.record,
      })
      testbed.app.get('/:how', { sse: true }, async (request, reply) => {
        ask('handler', request)
        return reply.sse((stream) => {
          ask('producer', request)
          stream.send('open')
          if (request.url === '/end') stream.close()
        })
      })

      const leaving = await testbed.ask('/stay')
      await leaving.including('open')
      expect(signals.map(({ aborted }) => aborted)).toEqual([false])
      leaving.destroy()
      await until(() => signals[0]?.aborted === true, 'the signal to abort when the client leaves')
      expect((await testbed.closeInfo(0)).reason).toBe('client')

      // One that ends well, on a connection that is used again and then closed.
      const staying = await testbed.ask('/end')
      await staying.response(0)
      expect((await testbed.closeInfo(1)).reason).toBe('ended')
      staying.send(get('/end'))
      await staying.response(1)
      await testbed.closeInfo(2)
      staying.destroy()
      await testbed.idle()
      await nextTurn()
      await nextTurn()
      expect(signals.map(({ aborted }) => aborted)).toEqual([true, false, false])
    })
  })

  test('a handlerTimeout does not cut a stream', async () => {
    const timeout = 50
    const testbed = await Testbed.make({}, { handlerTimeout: timeout })
    let signal: AbortSignal | undefined
    testbed.app.get('/', { sse: true }, async (request, reply) => {
      ;({ signal } = request)
      return reply.sse(async (stream) => {
        stream.send('first')
        // A timer that is set later, for longer, fires later.
        await new Promise((resolve) => setTimeout(resolve, timeout * 2))
        stream.send('last')
      })
    })
    const { body, complete } = await testbed.request('/')
    expect({ body, complete }).toEqual({ body: 'data: first\n\ndata: last\n\n', complete: true })
    expect((await testbed.closeInfo()).reason).toBe('ended')
    expect(signal?.aborted).toBe(false)
    expect(testbed.logged).toEqual([])
  })

  test('trailers arrive after the last event', async () => {
    const testbed = await Testbed.make()
    let sent = 0
    testbed.app.get('/', { sse: true }, async (_, reply) => {
      reply.trailer('x-events', async () => String(sent))
      return reply.sse(async function* () {
        for (; sent < 3; sent++) {
          await nextTurn()
          yield `event ${sent}`
        }
      })
    })
    const { headers, body, trailers } = await testbed.request('/')
    expect(headers['trailer']).toBe('x-events')
    expect(body).toBe('data: event 0\n\ndata: event 1\n\ndata: event 2\n\n')
    expect(trailers).toEqual({ 'x-events': '3' })
    expect((await testbed.closeInfo()).reason).toBe('ended')
    await testbed.idle()
    expect(testbed.logged).toEqual([])
  })

  test('trailers do not get lost with an error of the producer', async () => {
    const testbed = await Testbed.make()
    testbed.app.get('/', { sse: true }, async (_, reply) =>
      reply
        .trailer('x-end', async () => 'here')
        .sse(async () => {
          throw new Error('in the middle')
        }),
    )
    expect(await testbed.request('/')).toMatchObject({ body: '', trailers: { 'x-end': 'here' } })
    expect((await testbed.closeInfo()).reason).toBe('error')
  })

  test('a client that leaves a stream with trailers is counted out', async () => {
    const testbed = await Testbed.make()
    testbed.app.get('/', { sse: true }, async (_, reply) =>
      reply.trailer('x-end', async () => 'here').sse(open),
    )
    const client = await testbed.ask('/')
    await client.including('open')
    client.destroy()
    expect((await testbed.closeInfo()).reason).toBe('client')
    await testbed.idle()
  })

  test('an error of the handler after reply.sse() leaves the stream alone', async () => {
    const testbed = await Testbed.make()
    testbed.app.get('/', { sse: true }, async (_, reply) => {
      reply.sse(async (stream) => {
        stream.send('one')
        await nextTurn()
        stream.send('two')
      })
      throw new Error('too late')
    })
    const { status, body } = await testbed.request('/')
    expect({ status, body }).toEqual({ status: 200, body: 'data: one\n\ndata: two\n\n' })
    await testbed.idle()
  })
})

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
      await nextTurn()
      await nextTurn()
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
      await nextTurn()
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
      ['a turn later', nextTurn],
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
      ['a turn later', nextTurn],
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
