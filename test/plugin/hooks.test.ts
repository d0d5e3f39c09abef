import cookie from '@fastify/cookie'
import cors from '@fastify/cors'
import helmet from '@fastify/helmet'
import { describe, expect, test } from 'vitest'
import { blockUntil, Flag, makeFlags } from '../../src/testing/flags.ts'
import { Observer } from '../../src/testing/observer.ts'
import { get } from '../support/raw-client.ts'
import { Testbed } from '../support/testbed.ts'
import { one } from '../support/producers/closures.ts'
import { turn } from '../support/waiting.ts'

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
      await turn()
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
