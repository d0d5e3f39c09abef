import { Readable } from 'node:stream'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { constants, type Http2ServerResponse } from 'node:http2'

/**
 * What a response needs to be an event stream, unless the handler has set it.
 *
 * `no-transform` asks intermediaries not to compress or merge (RFC 9111, 5.2.2.6), `X-Accel-Buffering` stops
 * nginx from buffering the response.
 */
export const EVENT_STREAM_HEADERS: Readonly<Record<string, string>> = Object.freeze({
  'content-type': 'text/event-stream',
  'cache-control': 'no-store, no-transform',
  'x-accel-buffering': 'no',
})

/** True where HTTP allows no body (RFC 9110, 9.3.2, 15.2, 15.3.5, 15.3.6, 15.4.5). */
export function hasNoBody(method: string, status: number): boolean {
  return method === 'HEAD' || status < 200 || status === 204 || status === 205 || status === 304
}

/** The stream of HTTP/2 that a response is, if it is one. (A client of HTTP/1.1 may well say that it speaks 2.0.) */
export const http2Stream = (response: ServerResponse): Http2ServerResponse['stream'] | undefined =>
  (response as Partial<Pick<Http2ServerResponse, 'stream'>>).stream

/**
 * True for a response that emits 'finish' because all of it was handed over. Node also emits it when the
 * socket broke under what still waited, and of a stream of HTTP/2 that was reset.
 */
export function isDelivered(response: ServerResponse): boolean {
  return http2Stream(response)?.writableFinished ?? response.socket?.destroyed !== true
}

/** True for a response that was ended when nothing waited: whatever becomes of its socket, the kernel has all. */
export function isHandedOver(response: ServerResponse): boolean {
  return http2Stream(response) === undefined && response.writableEnded && response.writableLength === 0
}

/** They speak of a connection that HTTP/2 does not have (RFC 9113, 8.2.2). */
const CONNECTION_HEADERS = [
  'keep-alive',
  'proxy-connection',
  'transfer-encoding',
  'upgrade',
  'http2-settings',
]

/**
 * A client of HTTP/1.0 knows no chunks and finds the end of a body by that of its connection (RFC 9112, 6.1 and 9.3):
 * where the handler has said otherwise, Node would believe it.
 */
const FRAMING_HEADERS = ['transfer-encoding', 'trailer', 'keep-alive']

/**
 * Removes headers that contradict how the body is framed. HTTP/2 forbids some: Node would throw when the head leaves. It
 * drops `connection` there itself.
 */
export function dropConnectionHeaders(response: ServerResponse): void {
  if (http2Stream(response) !== undefined) {
    for (const name of CONNECTION_HEADERS) response.removeHeader(name)
  } else if (isBeforeHttp11(response.req)) {
    for (const name of FRAMING_HEADERS) response.removeHeader(name)
    response.setHeader('connection', 'close')
  }
}

const isBeforeHttp11 = ({ httpVersionMajor, httpVersionMinor }: IncomingMessage): boolean =>
  httpVersionMajor < 1 || (httpVersionMajor === 1 && httpVersionMinor < 1)

/** Ends a response so that the client sees that it is not complete. */
export function breakOff(response: ServerResponse): void {
  const stream = http2Stream(response)
  // A stream of HTTP/2 that is merely destroyed looks like one that has come to its end.
  stream?.close(constants.NGHTTP2_INTERNAL_ERROR)
  response.destroy()
}

/**
 * Calls back when status line and headers have been handed to the kernel: at once where Node writes at once
 * (plaintext HTTP/1.1), else when the bytes that wait on the connection have left.
 */
export function sendHead(response: ServerResponse, sent: () => void): void {
  response.flushHeaders()
  const { socket } = response
  if (http2Stream(response) !== undefined || socket === null) setImmediate(sent)
  else if (socket.writableLength > 0 || 'encrypted' in socket) socket.write('', (error) => error ?? sent())
  else sent()
}

/**
 * The payload of a reply that becomes an event stream.
 *
 * A framework pipes a stream payload to the response at the one moment when all of its hooks have run and no
 * byte has left. This `Readable` yields nothing: being piped is all it is for.
 *
 * Just before, the framework begins to watch both, in order to destroy one when the other fails. Its listeners would
 * hold the payload, and more, for as long as the response lasts: a quarter more heap for an idle stream. They are
 * taken from the response when the payload ends, since there is nothing left to destroy then.
 */
export class HeadPayload extends Readable {
  readonly #response: ServerResponse
  readonly #onPipe: (destination: NodeJS.WritableStream, endsResponse: boolean) => void
  /** What has come to listen to the response since anything last came to listen to this payload. */
  #watchers: [event: string, listener: () => void][] | undefined

  /** @param onPipe told where to, and whether the one who pipes ends the response itself (for its trailers) */
  constructor(
    response: ServerResponse,
    onPipe: (destination: NodeJS.WritableStream, endsResponse: boolean) => void,
  ) {
    super()
    this.#response = response
    this.#onPipe = onPipe
  }

  override _read(): void {}

  // Listeners of other hooks come before the framework's, which has its first ones here and the next on the response.
  override on(event: string | symbol, listener: Parameters<Readable['on']>[1]): this {
    if (this.#watchers === undefined) this.#response.on('newListener', this.#onListener)
    this.#watchers = []
    return super.on(event, listener)
  }

  readonly #onListener = (event: string, listener: () => void): void => {
    this.#watchers?.push([event, listener])
  }

  override pipe<T extends NodeJS.WritableStream>(destination: T, options?: { end?: boolean }): T {
    this.#response.removeListener('newListener', this.#onListener)
    this.#onPipe(destination, options?.end === false)
    return destination
  }

  /** Tells the one who piped that the stream has come to its end. */
  end(): void {
    // Without any listener an error of the response would end the process.
    this.#response.on('error', () => {})
    for (const [event, listener] of this.#watchers ?? []) this.#response.removeListener(event, listener)
    this.push(null)
    this.resume()
  }
}
