import { once } from 'node:events'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { constants, type ClientHttp2Stream } from 'node:http2'
import { createServer as createTlsServer, request as requestTls } from 'node:https'
import type { AddressInfo } from 'node:net'
import { finished } from 'node:stream'
import { describe, expect, onTestFinished, test } from 'vitest'
import {
  breakOff,
  dropConnectionHeaders,
  EVENT_STREAM_HEADERS,
  HeadPayload,
  hasNoBody,
  http2Stream,
  isDelivered,
  isHandedOver,
  sendHead,
} from '../../src/sse/head.ts'
import { CERTIFICATE, TLS } from '../support/protocols.ts'
import { get, RawClient } from '../support/raw-client.ts'
import { until } from '../../src/testing/flags.ts'
import { listen, Http2Pair } from '../support/served-response.ts'

/** A response of a real server whose head has not left, and the client that waits for it. */
async function requested(): Promise<{ response: ServerResponse; client: RawClient }> {
  const { server, port } = await listen()
  const client = await RawClient.connect(port)
  client.send(get('/'))
  const [, response] = (await once(server, 'request')) as [unknown, ServerResponse]
  return { response, client }
}

/** The same with HTTP/2. */
async function requestedHttp2(): Promise<{ response: ServerResponse; client: ClientHttp2Stream }> {
  const pair = await Http2Pair.open()
  return pair.request()
}

/** More than the kernel takes for a client that does not read. */
const MUCH = Buffer.alloc(30_000_000)

const closed = async (client: ClientHttp2Stream): Promise<void> =>
  new Promise((resolve) => client.once('close', resolve))

/** What a framework does with a payload that is a stream. */
function pipe(payload: HeadPayload, response: ServerResponse, options?: { end: boolean }): void {
  finished(payload, { readable: true, writable: false }, () => {})
  finished(response, () => {})
  payload.pipe(response, options)
}

const countOf = (response: ServerResponse): number =>
  response.eventNames().reduce((count, name) => count + response.listenerCount(name), 0)

test('an event stream says what it is, and that nobody may keep or change it', () => {
  expect(EVENT_STREAM_HEADERS).toEqual({
    'content-type': 'text/event-stream',
    'cache-control': 'no-store, no-transform',
    'x-accel-buffering': 'no',
  })
  expect(Object.isFrozen(EVENT_STREAM_HEADERS)).toBe(true)
})

test('HTTP allows no body in answer to HEAD, and with some statuses', () => {
  const statuses = [100, 199, 200, 201, 203, 204, 205, 206, 304, 400, 500]
  expect(statuses.filter((status) => hasNoBody('GET', status))).toEqual([100, 199, 204, 205, 304])
  expect(hasNoBody('HEAD', 200)).toBe(true)
})

describe('a response', () => {
  test('of HTTP/1.1 is delivered unless its socket has broken, and handed over when nothing waits', async () => {
    const { response, client } = await requested()
    expect(http2Stream(response)).toBeUndefined()
    client.socket.pause()
    response.flushHeaders()
    expect(isHandedOver(response)).toBe(false)
    response.end(MUCH)
    expect([isDelivered(response), isHandedOver(response)]).toEqual([true, false])
    client.destroy()
    await until(() => response.socket?.destroyed !== false, 'the broken socket')
    const { response: other } = await requested()
    other.destroy()
    expect(isDelivered(other)).toBe(false)
  })

  test('of HTTP/1.1 that has finished is delivered, though it has no socket any more', async () => {
    const { response, client } = await requested()
    response.end('all')
    expect(isHandedOver(response)).toBe(true)
    await client.response()
    await until(() => response.socket === null, 'its end')
    expect(isDelivered(response)).toBe(true)
  })

  test('of HTTP/2 is delivered when its stream has finished, and not when that was reset', async () => {
    const { response, client } = await requestedHttp2()
    expect(http2Stream(response)).toBeDefined()
    response.flushHeaders()
    expect(isDelivered(response)).toBe(false)
    response.end('all')
    // Its frames may still wait for the client's window, though nothing waits here.
    await until(() => response.writableLength === 0, 'its frames')
    expect(isHandedOver(response)).toBe(false)
    client.resume()
    await closed(client)
    await until(() => isDelivered(response), 'its end')
    const { response: other, client: leaving } = await requestedHttp2()
    const reset = once(other, 'close')
    other.end(MUCH)
    leaving.close(constants.NGHTTP2_CANCEL)
    await reset
    expect(isDelivered(other)).toBe(false)
  })
})

describe('headers that speak of the connection', () => {
  const headers = {
    'keep-alive': 'timeout=5',
    'proxy-connection': 'keep-alive',
    'transfer-encoding': 'chunked',
    upgrade: 'h2c',
    'http2-settings': 'AAMAAABk',
  }

  test('are taken from a response of HTTP/2, and left in one of HTTP/1.1', async () => {
    const [{ response: http1 }, { response: http2 }] = [await requested(), await requestedHttp2()]
    for (const response of [http1, http2]) {
      for (const [name, value] of Object.entries({ ...headers, 'x-other': 'stays' })) {
        response.setHeader(name, value)
      }
      dropConnectionHeaders(response)
    }
    expect(http1.getHeaders()).toEqual({ ...headers, 'x-other': 'stays' })
    expect({ ...http2.getHeaders() }).toEqual({ 'x-other': 'stays' })
  })
})

describe('a response that is broken off', () => {
  test('shows its client that it is not complete, over HTTP/1.1', async () => {
    const { response, client } = await requested()
    response.write('some')
    await client.including('some')
    breakOff(response)
    await client.closed()
    expect(client.responses[0]?.complete).toBe(false)
  })

  test('and over HTTP/2, where only its stream ends', async () => {
    const { response, client } = await requestedHttp2()
    response.write('some')
    await once(client, 'response')
    breakOff(response)
    client.resume()
    await closed(client)
    expect(client.rstCode).toBe(constants.NGHTTP2_INTERNAL_ERROR)
    expect(client.session?.destroyed ?? false).toBe(false)
  })
})

describe('the head is sent', () => {
  test('at once where nothing waits, and when it has left where something does', async () => {
    const { response, client } = await requested()
    let sent = 0
    sendHead(response, () => sent++)
    expect(sent).toBe(1)
    expect((await client.head()).status).toBe(200)
    // What waits on the connection may be that of the response before.
    client.socket.pause()
    response.write(MUCH)
    await until(() => (response.socket?.writableLength ?? 0) > 0, 'bytes that wait')
    sendHead(response, () => sent++)
    await new Promise((resolve) => setTimeout(resolve, 20))
    expect(sent).toBe(1)
    client.socket.resume()
    await until(() => sent === 2, 'what waited')
  })

  test('never where the connection breaks before it has left', async () => {
    const { response, client } = await requested()
    response.flushHeaders()
    await client.head()
    client.socket.pause()
    response.write(MUCH)
    await until(() => (response.socket?.writableLength ?? 0) > 0, 'bytes that wait')
    sendHead(response, () => expect.unreachable('it was sent'))
    const broken = once(response, 'close')
    client.destroy()
    await broken
    await new Promise((resolve) => setImmediate(resolve))
    expect(response.destroyed).toBe(true)
  })

  test('in a later turn over TLS, over HTTP/2, and where there is no connection', async () => {
    const server = createTlsServer(TLS)
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    onTestFinished(() => void server.close())
    const { port } = server.address() as AddressInfo
    const client = requestTls({ port, ca: CERTIFICATE, servername: 'localhost', agent: false }).end()
    const received = once(client, 'response')
    const [, encrypted] = (await once(server, 'request')) as [unknown, ServerResponse]
    const { response: http2 } = await requestedHttp2()
    const { response: gone } = await requested()
    gone.end()
    await until(() => gone.socket === null, 'its end')
    for (const response of [encrypted, http2, gone]) {
      let sent = 0
      sendHead(response, () => sent++)
      expect(sent).toBe(0)
      await until(() => sent === 1, 'the head')
    }
    const [{ statusCode }] = (await received) as [IncomingMessage]
    expect(statusCode).toBe(200)
    client.destroy()
  })
})

describe('the payload of an event stream', () => {
  test('tells where it is piped to, and whether its piper ends that', async () => {
    const { response } = await requested()
    const piped: unknown[] = []
    for (const options of [undefined, { end: true }, { end: false }]) {
      const payload = new HeadPayload(response, (...args) => piped.push(...args))
      pipe(payload, response, options)
      payload.end()
    }
    expect(piped).toEqual([response, false, response, false, response, true])
  })

  test('yields nothing, and comes to its end when it is told to', async () => {
    const { response } = await requested()
    const payload = new HeadPayload(response, () => {})
    const seen: string[] = []
    payload.on('data', () => seen.push('data'))
    payload.on('end', () => seen.push('end'))
    pipe(payload, response)
    await new Promise((resolve) => setImmediate(resolve))
    expect(seen).toEqual([])
    payload.end()
    await until(() => seen.length > 0, 'its end')
    expect(seen).toEqual(['end'])
  })

  test('takes from the response what its piper listened to, and nothing else', async () => {
    const { response } = await requested()
    const [before, hook, after] = [(): void => {}, (): void => {}, (): void => {}]
    response.on('close', before)
    const payload = new HeadPayload(response, () => {})
    // A hook's: they stay.
    payload.on('end', () => {})
    response.on('close', hook)
    payload.on('close', () => {})
    const count = countOf(response)
    pipe(payload, response)
    // Nor is anything taken that comes later, or that watches who listens.
    response.on('finish', after)
    expect(countOf(response)).toBeGreaterThan(count + 1)
    payload.end()
    expect(response.listeners('close')).toEqual(expect.arrayContaining([before, hook]))
    expect(response.listeners('finish')).toContain(after)
    expect(response.listenerCount('newListener')).toBe(0)
    // Those that were there, the last one, and one for errors.
    expect(countOf(response)).toBe(count + 1)
  })

  test('to which nobody has listened ends as well', async () => {
    const { response } = await requested()
    const payload = new HeadPayload(response, () => {})
    const count = countOf(response)
    payload.end()
    // An error of the response ends nothing but the response.
    response.emit('error', new Error('of the connection'))
    expect(countOf(response)).toBe(count + 1)
  })
})
