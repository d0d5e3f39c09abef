import { once } from 'node:events'
import { createServer as createHttp1Server, type ServerResponse } from 'node:http'
import {
  connect,
  createServer,
  type ClientHttp2Session,
  type Http2Server,
  type Http2ServerResponse,
  type ServerHttp2Session,
} from 'node:http2'
import type { AddressInfo } from 'node:net'
import { expect, onTestFinished, test } from 'vitest'
import { ClosingSessions } from '../../src/sse/closing-sessions.ts'
import { until } from '../../src/testing/flags.ts'
import { get, RawClient } from '../support/raw-client.ts'

async function listen(): Promise<{ server: Http2Server; port: number }> {
  const server = createServer()
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => void server.close())
  return { server, port: (server.address() as AddressInfo).port }
}

interface Served {
  response: ServerResponse
  client: Client
}

/** One HTTP/2 session, as its client sees it. */
class Client {
  readonly session: ClientHttp2Session
  /** The server has told it that it closes. */
  told = 0
  closed = false
  body = ''

  constructor(port: number) {
    this.session = connect(`http://127.0.0.1:${port}`)
    this.session.on('goaway', () => this.told++)
    this.session.on('close', () => (this.closed = true))
    this.session.on('error', () => {})
    onTestFinished(() => this.session.destroy())
  }

  open(): void {
    const stream = this.session.request()
    stream.on('error', () => {})
    stream.setEncoding('utf8').on('data', (text: string) => (this.body += text))
  }
}

/** A response whose head has left, of a session of its own if none is given. */
async function serve(server: Http2Server, port: number, client = new Client(port)): Promise<Served> {
  const request = once(server, 'request')
  client.open()
  const [, response] = (await request) as [unknown, ServerResponse]
  response.flushHeaders()
  return { response, client }
}

/** What has become of a promise. */
function watch(promise: Promise<void>): { settled: boolean } {
  const seen = { settled: false }
  void promise.then(() => (seen.settled = true))
  return seen
}

const turn = async (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

/** A response whose client was told that its session closes. */
async function serveClosing() {
  const { server, port } = await listen()
  const { response, client } = await serve(server, port)
  const closing = new ClosingSessions()
  closing.close(response)
  const closed = watch(closing.closed())
  await until(() => client.told === 1, 'GOAWAY')
  return { response, client, closing, closed }
}

test('a client is told, has its stream to the end, and then its session ends', async () => {
  const { response, client, closed } = await serveClosing()
  expect([client.closed, closed.settled]).toEqual([false, false])
  response.end('the last')
  await until(() => closed.settled, 'its end')
  await until(() => client.closed, 'the end of the session')
  expect(client.body).toBe('the last')
})

test('all sessions are waited for, each is told once, and those that are gone need not be', async () => {
  const { server, port } = await listen()
  const [one, other, gone] = [await serve(server, port), await serve(server, port), await serve(server, port)]
  const again = await serve(server, port, one.client)
  gone.client.session.destroy()
  await once(gone.response, 'close')
  const closing = new ClosingSessions()
  const listeners = (): number =>
    (one.response as never as Http2ServerResponse).stream.session?.socket.listenerCount('close') ?? 0
  closing.close(one.response)
  const before = listeners()
  for (const { response } of [again, other, gone]) closing.close(response)
  expect(listeners()).toBe(before)
  const closed = watch(closing.closed())
  one.response.end()
  await turn()
  expect(closed.settled).toBe(false)
  again.response.end()
  await until(() => one.client.closed, 'the end of one')
  expect(closed.settled).toBe(false)
  other.response.end()
  await until(() => closed.settled, 'the end of all')
  await closing.closed()
})

test('what is left is ended, after what was written in the same turn', async () => {
  const { response, client, closing, closed } = await serveClosing()
  response.write('the last')
  closing.destroy()
  await until(() => closed.settled && client.closed, 'its end')
  expect(client.body).toBe('the last')
})

test('who waits for what has ended meanwhile need not wait', async () => {
  const { server, port } = await listen()
  const { response, client } = await serve(server, port)
  const closing = new ClosingSessions()
  closing.close(response)
  response.end()
  await until(() => client.closed, 'the end of the session')
  await expect(closing.closed()).resolves.toBeUndefined()
})

test('a session that was ended already is not waited for', async () => {
  const { server, port } = await listen()
  const session = once(server, 'session')
  const { response } = await serve(server, port)
  const [ended] = (await session) as [ServerHttp2Session]
  ended.destroy()
  const closing = new ClosingSessions()
  closing.close(response)
  await expect(closing.closed()).resolves.toBeUndefined()
})

test('a response of HTTP/1.1 has no session', async () => {
  const server = createHttp1Server()
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => void server.close())
  const client = await RawClient.connect((server.address() as AddressInfo).port)
  client.send(get('/'))
  const [, response] = (await once(server, 'request')) as [unknown, ServerResponse]
  const closing = new ClosingSessions()
  closing.close(response)
  await closing.closed()
  response.end('still here')
  expect((await client.response()).body).toBe('still here')
})
