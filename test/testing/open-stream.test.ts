import assert from 'node:assert/strict'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createServer, type AddressInfo } from 'node:net'
import Fastify from 'fastify'
import { describe, expect, onTestFinished, test } from 'vitest'
import type { EventInput } from '../../src/index.ts'
import { openStream } from '../../src/testing/index.ts'
import { numbers } from '../../src/testing/producers.ts'
import { Testbed } from '../support/testbed.ts'
import { EXECUTORS } from '../support/executors.ts'
import { RECEIVED, serve, all } from './open-stream-sent.ts'

describe('an event stream', () => {
  test('is read from an app that does not listen yet', async () => {
    const { app } = await serve()
    expect(app.server.listening).toBe(false)
    const stream = await openStream(app)
    expect(stream.status).toBe(200)
    expect(stream.retryMs).toBeUndefined()
    expect(stream.headers).toMatchObject({ 'content-type': 'text/event-stream', 'x-own': '1' })
    expect((app.server.address() as AddressInfo).address).toBe('127.0.0.1')
    // Strictly: an event has these fields, and no others that show.
    assert.deepStrictEqual(await all(stream.events), RECEIVED)
    await expect(stream.closed).resolves.toEqual({ complete: true })
    expect(await stream.next()).toBeUndefined()
    expect(await stream.text()).toMatch(/^data: plain\n\nevent: named\n/)
  })

  test('may be opened many times at once', async () => {
    const { app } = await serve()
    const streams = await Promise.all(Array.from({ length: 20 }, async () => openStream(app)))
    for (const stream of streams) expect(await all(stream.events)).toEqual(RECEIVED)
  })

  test('resolves with the head, before there is an event', async () => {
    const testbed = await Testbed.make()
    let send: ((event: EventInput) => void) | undefined
    testbed.app.get('/', { sse: true }, async (_, reply) =>
      reply.sse((stream) => {
        send = (event) => {
          stream.send(event)
          stream.close()
        }
      }),
    )
    const stream = await openStream(testbed.app)
    const next = stream.next()
    send?.('now')
    expect(await next).toEqual({ event: 'message', data: 'now' })
    expect(await stream.next()).toBeUndefined()
  })

  test('gives each event once, to whoever asks, in order', async () => {
    const { app } = await serve()
    const stream = await openStream(app)
    const [first, second] = await Promise.all([stream.next(), stream.next()])
    for await (const third of stream.events) {
      expect([first, second, third]).toEqual(RECEIVED.slice(0, 3))
      break
    }
    expect(await stream.next()).toEqual(RECEIVED[3])
    expect(await Promise.all([stream.next(), stream.next()])).toEqual([undefined, undefined])
  })

  test('tells comments and retry', async () => {
    const { app } = await serve()
    const stream = await openStream(app, { path: '/open' })
    await stream.next()
    expect(stream.comments).toEqual(['two', 'lines'])
    expect(stream.retryMs).toBe(1_234)
    await stream.close()
  })

  test('is left with close(), and the server sees it', async () => {
    const testbed = await serve()
    const stream = await openStream(testbed.app, { path: '/open' })
    await stream.next()
    const pending = stream.next()
    await stream.close()
    expect(await pending).toBeUndefined()
    await expect(stream.closed).resolves.toEqual({ complete: false })
    expect((await testbed.closeInfo()).reason).toBe('client')
    await stream.close()
  })

  test('that the server breaks off ends, and is not complete', async () => {
    const testbed = await Testbed.make()
    testbed.app.get('/', { sse: true }, async (_, reply) =>
      reply.sse((stream) => {
        stream.send('whole')
        reply.raw.write('data: ha', () => reply.raw.destroy())
      }),
    )
    const stream = await openStream(testbed.app)
    expect(await all(stream.events)).toEqual([{ event: 'message', data: 'whole' }])
    await expect(stream.closed).resolves.toEqual({ complete: false })
    expect(await stream.text()).toBe('data: whole\n\ndata: ha')
  })

  test('does not hold app.close() up, neither open nor ended', async () => {
    const { app } = await serve({ graceMs: 2_147_483_647 })
    const ended = await openStream(app)
    await ended.closed
    const stream = await openStream(app, { path: '/open' })
    await stream.next()
    await app.close()
    await expect(stream.closed).resolves.toEqual({ complete: true })
    expect(stream.comments).toContain('the server is closing')
  })

  test('arrives whole, however its bytes are cut', async () => {
    const text = 'data: é😀 中\r\nid: ü\r\n\r\n\uFEFFdata: x\r\rdata: y\n\n'
    const server = createServer((socket) => {
      socket.resume()
      socket.on('error', () => {})
      socket.setNoDelay()
      const send = (bytes: Buffer): void => {
        if (bytes.length === 0) socket.end()
        else socket.write(bytes.subarray(0, 1), () => setImmediate(send, bytes.subarray(1)))
      }
      send(Buffer.from(`HTTP/1.1 200 OK\r\ncontent-type: Text/Event-Stream; charset=utf-8\r\n\r\n${text}`))
    }).listen(0, '127.0.0.1')
    onTestFinished(() => void server.close())
    await once(server, 'listening')
    const stream = await openStream(`http://127.0.0.1:${(server.address() as AddressInfo).port}`)
    expect(await all(stream.events)).toEqual([
      { event: 'message', data: 'é😀 中', id: 'ü' },
      { event: 'message', data: 'y' },
    ])
  })
})

describe('the data of an event', () => {
  test('is read as JSON, with a type', async () => {
    const { app } = await serve()
    const events = await all((await openStream(app)).events)
    const { n, text }: { n: number; text: string } = events[1]?.json<{ n: number; text: string }>() ?? {
      n: 0,
      text: '',
    }
    expect({ n, text }).toEqual({ n: 1, text: 'é 😀' })
    expect(() => events[0]?.json()).toThrow(SyntaxError)
    expect(Object.keys(events[1] ?? {})).toEqual(['event', 'data', 'id'])
  })
})

describe('what is no event stream', () => {
  test('is no error: status, headers and body tell', async () => {
    const { app } = await serve()
    app.get('/json', async () => 'data: looks like one\n\n')
    app.get('/empty', { sse: true }, async (_, reply) => reply.code(204).sse(() => ['never']))
    for (const [path, status, text] of [
      ['/nowhere', 404, /"statusCode":404/],
      ['/json', 200, /^data: looks like one\n\n$/],
      ['/empty', 204, /^$/],
    ] as const) {
      const response = await openStream(app, { path })
      expect(response.status).toBe(status)
      expect(await all(response.events)).toEqual([])
      expect(await response.text()).toMatch(text)
      await expect(response.closed).resolves.toEqual({ complete: true })
    }
  })

  test('503 of an executor that is full', async () => {
    const { app } = await serve({
      executor: 'full',
      executors: {
        full: {
          admit() {
            throw Object.assign(new Error('no room'), { statusCode: 503, headers: { 'retry-after': '3' } })
          },
          run: () => expect.unreachable(),
        },
      },
    })
    const response = await openStream(app)
    expect(response.status).toBe(503)
    expect(response.headers['retry-after']).toBe('3')
    expect(JSON.parse(await response.text())).toMatchObject({ message: 'no room' })
  })
})

test('a byte order mark is no part of the first event', async () => {
  const app = Fastify()
  onTestFinished(async () => app.close())
  app.get('/', async (_, reply) =>
    reply.header('content-type', 'text/event-stream').send('\uFEFFdata: 1\n\ndata: \uFEFF2\n\n'),
  )
  const stream = await openStream(app)
  expect((await stream.next())?.data).toBe('1')
  expect((await stream.next())?.data).toBe('\uFEFF2')
  expect(await stream.text()).toBe('\uFEFFdata: 1\n\ndata: \uFEFF2\n\n')
})

describe.each(EXECUTORS)('app.inject() on executor %s', (executor) => {
  test('takes a producer that ends', async () => {
    const testbed = await Testbed.make({ executor })
    testbed.app.get('/', { sse: true }, async (_, reply) => reply.sse(numbers, { count: 3 }))
    const { statusCode, headers, body } = await testbed.app.inject('/')
    expect(statusCode).toBe(200)
    expect(headers).toMatchObject({ 'content-type': 'text/event-stream' })
    expect(body).toBe('data: 0\n\ndata: 1\n\ndata: 2\n\n')
    expect((await testbed.closeInfo()).reason).toBe('ended')
    expect(testbed.app.server.listening).toBe(false)
  })
})

test('headfirst/testing imports no test runner', () => {
  const seen = new Set<string>()
  const visit = (url: URL): void => {
    if (seen.has(url.href)) return
    seen.add(url.href)
    for (const [, name = ''] of readFileSync(url, 'utf8').matchAll(/^[^*\n]*from '([^']+)'$/gm)) {
      expect(name).not.toMatch(/vitest|node:test/)
      if (name.startsWith('.')) visit(new URL(name, url))
    }
  }
  visit(new URL('../../src/testing/index.ts', import.meta.url))
  expect(seen.size).toBeGreaterThan(5)
})
