import { once } from 'node:events'
import {
  connect,
  type ClientHttp2Session,
  type ClientHttp2Stream,
  type IncomingHttpHeaders,
  type SecureClientSessionOptions,
} from 'node:http2'
import { connect as connectSocket, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import { onTestFinished } from 'vitest'
import { until } from '../../src/testing/flags.ts'
import { CERTIFICATE } from './protocols.ts'

/** One HTTP/2 stream, as far as it came. */
export class Http2Response {
  readonly stream: ClientHttp2Stream
  headers: IncomingHttpHeaders | undefined
  body = ''
  /** The server has ended it. */
  complete = false
  closed = false

  /** @param reads false for one that takes nothing until {@link read} */
  constructor(stream: ClientHttp2Stream, reads: boolean) {
    this.stream = stream
    stream.on('response', (headers) => (this.headers = headers))
    stream.on('error', () => {})
    stream.on('end', () => (this.complete = true))
    stream.on('close', () => (this.closed = true))
    stream.setEncoding('utf8')
    if (reads) this.read()
  }

  read(): void {
    this.stream.on('data', (text: string) => (this.body += text))
  }

  async head(): Promise<IncomingHttpHeaders & { ':status'?: number }> {
    await until(() => this.headers !== undefined, 'the head')
    return this.headers as IncomingHttpHeaders
  }

  async including(text: string): Promise<void> {
    await until(() => this.body.includes(text), JSON.stringify(text))
  }

  /** Resolves when it is over, either way. */
  async over(): Promise<this> {
    await until(() => this.closed, 'the stream to be closed')
    return this
  }
}

/** An HTTP/2 session of a client. */
export class Http2Client {
  readonly session: ClientHttp2Session
  closed = false
  readonly #socket: Socket

  private constructor(session: ClientHttp2Session, socket: Socket) {
    this.session = session
    this.#socket = socket
    session.on('close', () => (this.closed = true))
    session.on('error', () => {})
  }

  static async connect(origin: string, options: SecureClientSessionOptions = {}): Promise<Http2Client> {
    const { hostname: host, port, protocol } = new URL(origin)
    const socket =
      protocol === 'http:'
        ? connectSocket({ host, port: Number(port) })
        : connectTls({ host, port: Number(port), ca: CERTIFICATE, ALPNProtocols: ['h2'] })
    const session = connect(origin, { ...options, createConnection: () => socket })
    await once(session, 'connect')
    const client = new Http2Client(session, socket)
    onTestFinished(() => session.destroy())
    return client
  }

  /** Breaks the connection, without a word of HTTP/2. */
  hangUp(): void {
    this.#socket.destroy()
  }

  open(path: string, headers: Record<string, string> = {}, reads = true): Http2Response {
    return new Http2Response(this.session.request({ ':path': path, ...headers }), reads)
  }
}
