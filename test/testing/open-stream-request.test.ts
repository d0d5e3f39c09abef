import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer, type AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import type { EventStream } from '../../src/index.ts'
import { openStream, type OpenedStream, type OpenStreamOptions } from '../../src/testing/index.ts'
import { numbers } from '../../src/testing/producers.ts'
import { Testbed } from '../support/testbed.ts'
import { RECEIVED, serve, all } from './open-stream-sent.ts'

function echo(stream: EventStream, input: unknown): void {
  stream.send({ data: input, event: stream.lastEventId })
  stream.close()
}

const LENGTH = 'data: 0\n\n'.length * 3

const openNumbers = async (maxText: number): Promise<OpenedStream> => {
  const testbed = await Testbed.make()
  testbed.app.get('/', { sse: true }, async (_, reply) => reply.sse(numbers, { count: 3 }))
  return openStream(testbed.app, { maxText })
}

describe('the request', () => {
  test.each<[string, OpenStreamOptions, object]>([
    ['is a GET', { path: '/?q=1' }, { method: 'GET', url: '/?q=1', accept: 'text/event-stream' }],
    [
      'has these headers',
      { headers: { Accept: 'text/*', 'x-own': '1' } },
      { accept: 'text/*', 'x-own': '1', connection: 'close' },
    ],
    [
      'with a body is a POST',
      { body: { prompt: 'é' } },
      { method: 'POST', 'content-type': 'application/json', body: { prompt: 'é' } },
    ],
    ['takes text', { body: 'é' }, { 'content-type': 'text/plain; charset=utf-8', body: 'é' }],
    [
      'takes bytes of a type',
      { body: Buffer.from('[1]'), method: 'PUT', headers: { 'content-type': 'application/json' } },
      { method: 'PUT', body: [1], 'content-length': '3' },
    ],
    ['carries a Last-Event-ID', { lastEventId: 'grün 😀' }, { event: 'grün 😀' }],
    ['carries none that is empty', { lastEventId: '' }, { event: 'message' }],
  ])('%s', async (_, options, expected) => {
    const testbed = await Testbed.make()
    testbed.app.route({
      method: ['GET', 'POST', 'PUT'],
      url: '/',
      sse: true,
      handler: async ({ method, url, headers, body }, reply) =>
        reply.sse(echo, { ...headers, method, url, body }),
    })
    const stream = await openStream(testbed.app, options)
    const event = await stream.next()
    expect({ ...event?.json<object>(), event: event?.event }).toMatchObject(expected)
  })

  test.each([
    ['127.0.0.1', '127.0.0.1'],
    ['0.0.0.0', '127.0.0.1'],
  ])('goes to an app that listens on %s already', async (host, expected) => {
    const { app } = await serve()
    const address = new URL(await app.listen({ port: 0, host }))
    expect(await all((await openStream(app)).events)).toEqual(RECEIVED)
    const url = `http://${expected}:${address.port}/open?x`
    for (const target of [url, new URL(url)]) {
      const stream = await openStream(target)
      expect(await stream.next()).toEqual({ event: 'message', data: 'open' })
      await stream.close()
    }
    expect(await all((await openStream(url, { path: '/' })).events)).toEqual(RECEIVED)
  })

  test('goes to an app on a Unix socket', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'headfirst-socket-'))
    onTestFinished(() => rmSync(directory, { recursive: true, force: true }))
    const { app } = await serve()
    await app.listen({ path: join(directory, 'app') })
    expect(await all((await openStream(app)).events)).toEqual(RECEIVED)
  })

  test('that nobody answers rejects', async () => {
    const server = createServer((socket) => socket.destroy()).listen(0, '127.0.0.1')
    await once(server, 'listening')
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`
    await expect(openStream(url)).rejects.toMatchObject({ code: 'ECONNRESET' })
    server.close()
    await once(server, 'close')
    await expect(openStream(url)).rejects.toMatchObject({ code: 'ECONNREFUSED' })
  })
})

describe('a body of any length', () => {
  test('is kept as a whole up to "maxText"', async () => {
    const stream = await openNumbers(LENGTH)
    expect(await stream.text()).toBe('data: 0\n\ndata: 1\n\ndata: 2\n\n')
  })

  test('is not kept when it is longer, while its events come', async () => {
    const stream = await openNumbers(LENGTH - 1)
    await expect(stream.text()).rejects.toMatchObject({
      code: 'HF_ERR_TEXT_TOO_LONG',
      message: `The body has ${LENGTH} characters, and openStream() keeps none of more than ${LENGTH - 1}. Give it a larger "maxText", or take the events with next().`,
    })
    const data: string[] = []
    for await (const event of stream.events) data.push(event.data)
    expect(data).toEqual(['0', '1', '2'])
    expect(await stream.closed).toEqual({ complete: true })
  })

  test('may be of no interest at all', async () => {
    const stream = await openNumbers(0)
    expect((await stream.next())?.data).toBe('0')
    await expect(stream.text()).rejects.toThrow('keeps none of more than 0')
  })
})

describe('options', () => {
  test.each<[unknown, unknown, string]>([
    [
      'nowhere',
      {},
      'Option "target" in openStream() must be a Fastify app or an http: URL, but got "nowhere".',
    ],
    ['https://127.0.0.1', {}, 'must be a Fastify app or an http: URL'],
    [undefined, {}, 'must be a Fastify app or an http: URL, but got undefined'],
    [{}, {}, 'must be a Fastify app or an http: URL, but got an object (Object)'],
    ['http://127.0.0.1', { path: 'x' }, 'Option "path" in openStream() must be a path that begins with "/"'],
    ['http://127.0.0.1', { url: '/' }, 'Unknown option "url" in openStream()'],
    ['http://127.0.0.1', { method: 1 }, 'Option "method" in openStream() must be a method'],
    ['http://127.0.0.1', { headers: 'x' }, 'Option "headers" in openStream() must be an object of headers'],
    ['http://127.0.0.1', { body: () => {} }, 'Option "body" in openStream() must be'],
    [
      'http://127.0.0.1',
      { lastEventId: 5 },
      'Option "lastEventId" in openStream() must be a string, but got 5',
    ],
    ['http://127.0.0.1', { maxText: -1 }, 'Option "maxText" in openStream() must be a whole number from 0'],
    ['http://127.0.0.1', { maxText: 2 ** 29 }, 'Option "maxText" in openStream() must be a whole number'],
    ['http://127.0.0.1', { maxText: 0.5 }, 'Option "maxText" in openStream() must be a whole number'],
  ])('%o, %o are refused', async (target, options, message) => {
    await expect(openStream(target as string, options as OpenStreamOptions)).rejects.toThrow(message)
  })
})
