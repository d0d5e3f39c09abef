import { once } from 'node:events'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import {
  connect as connectHttp2,
  createServer as createHttp2Server,
  type ClientHttp2Session,
  type ClientHttp2Stream,
  type Http2Server,
} from 'node:http2'
import type { AddressInfo } from 'node:net'
import { expect, onTestFinished } from 'vitest'
import type { WritableResponse } from '../../src/sse/body-writer.ts'
import { ResponseSink, type ResponseSinkSettings } from '../../src/sse/response-sink.ts'
import { get, RawClient } from './raw-client.ts'

/** A bare HTTP server, closed when the test has finished. */
export async function listen(): Promise<{ server: Server; port: number }> {
  const server = createServer()
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  return { server, port: (server.address() as AddressInfo).port }
}

/** A response of that server whose head has left. */
export async function served(server: Server): Promise<ServerResponse> {
  const [, response] = (await once(server, 'request')) as [unknown, ServerResponse]
  response.flushHeaders()
  return response
}

/** A response of a real server, and the client that receives it. */
export async function serveOne(): Promise<{ response: ServerResponse; client: RawClient }> {
  const { server, port } = await listen()
  const client = await RawClient.connect(port)
  client.send(get('/'))
  const response = await served(server)
  await client.head()
  return { response, client }
}

/** A sink of a response that holds whatever it is given. */
export function sinkOf(
  response: WritableResponse,
  settings: Partial<ResponseSinkSettings> = {},
): ResponseSink {
  return new ResponseSink(response, {
    flush: 'event',
    highWaterMark: 65_536,
    maxBuffered: Number.MAX_SAFE_INTEGER,
    onOverflow: () => expect.unreachable('overflow'),
    onEnd: () => {},
    ...settings,
  })
}

/** The same for such a response. */
export async function serveSink(
  onEnd: (response: ServerResponse) => void = () => {},
): Promise<{ sink: ResponseSink; client: RawClient }> {
  const { response, client } = await serveOne()
  const sink = sinkOf(response, { onEnd: () => onEnd(response) })
  return { sink, client }
}

/** A session of HTTP/2 with a bare server; both are closed when the test has finished. */
export class Http2Pair {
  readonly session: ClientHttp2Session
  readonly #server: Http2Server

  private constructor(server: Http2Server, session: ClientHttp2Session) {
    this.#server = server
    this.session = session
  }

  static async open(): Promise<Http2Pair> {
    const server = createHttp2Server()
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    const session = connectHttp2(`http://127.0.0.1:${(server.address() as AddressInfo).port}`)
    session.on('error', () => {})
    onTestFinished(() => {
      session.destroy()
      server.close()
    })
    return new Http2Pair(server, session)
  }

  /** A request that has arrived, its response, and the stream as its client has it. */
  async request(): Promise<{
    request: IncomingMessage
    response: ServerResponse
    client: ClientHttp2Stream
  }> {
    const arrived = once(this.#server, 'request')
    const client = this.session.request({ ':path': '/' })
    client.on('error', () => {})
    const [request, response] = (await arrived) as [IncomingMessage, ServerResponse]
    return { request, response, client }
  }
}
