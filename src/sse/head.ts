import { Readable } from 'node:stream'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { constants, type Http2ServerResponse } from 'node:http2'

/**
 * The headers of an event stream. A header that the handler has set is kept.
 *
 * `no-transform` asks intermediaries not to compress or merge the response (RFC 9111, 5.2.2.6). With
 * `X-Accel-Buffering: no` nginx does not buffer it.
 */
export const EVENT_STREAM_HEADERS: Readonly<Record<string, string>> = Object.freeze({
  'content-type': 'text/event-stream',
  'cache-control': 'no-store, no-transform',
  'x-accel-buffering': 'no',
})

/** True if HTTP allows no body (RFC 9110, 9.3.2, 15.2, 15.3.5, 15.3.6, 15.4.5). */
export function hasNoBody(method: string, status: number): boolean {
  return method === 'HEAD' || status < 200 || status === 204 || status === 205 || status === 304
}

/**
 * The HTTP/2 stream of a response, if it has one. (`httpVersion` is no proof: an HTTP/1 client may send `HTTP/2.0`.)
 */
export const http2Stream = (response: ServerResponse): Http2ServerResponse['stream'] | undefined =>
  (response as Partial<Pick<Http2ServerResponse, 'stream'>>).stream

/**
 * True if a response has emitted 'finish' because all of it was handed over. Node also emits 'finish' if the socket
 * broke while bytes waited, and if an HTTP/2 stream was reset.
 */
export function isDelivered(response: ServerResponse): boolean {
  return http2Stream(response)?.writableFinished ?? response.socket?.destroyed !== true
}

/** True if a response was ended and nothing waits: the kernel has all of it, whatever happens to its socket. */
export function isHandedOver(response: ServerResponse): boolean {
  return http2Stream(response) === undefined && response.writableEnded && response.writableLength === 0
}

/** Headers of a connection, which HTTP/2 forbids (RFC 9113, 8.2.2). */
const CONNECTION_HEADERS = [
  'keep-alive',
  'proxy-connection',
  'transfer-encoding',
  'upgrade',
  'http2-settings',
]

/**
 * An HTTP/1.0 client cannot read chunks: the end of the connection is the end of its body (RFC 9112, 6.1 and 9.3). If
 * the handler has set one of these, Node would frame the body differently.
 */
const FRAMING_HEADERS = ['transfer-encoding', 'trailer', 'keep-alive']

/**
 * Removes headers that contradict the framing of the body. On HTTP/2 Node would throw for them when the head leaves; it
 * drops `connection` itself.
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

/** Ends a response in a way that the client can detect as incomplete. */
export function breakOff(response: ServerResponse): void {
  const stream = http2Stream(response)
  // To its client, an HTTP/2 stream that is only destroyed looks complete.
  stream?.close(constants.NGHTTP2_INTERNAL_ERROR)
  response.destroy()
}

/**
 * Calls back when status line and headers have been handed to the kernel. On plaintext HTTP/1.1, where Node writes at
 * once, that is now; over TLS, or when bytes already wait on the connection, when those have left; on HTTP/2 in the
 * next turn of the event loop.
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
 * A framework pipes a stream payload to the response when all of its hooks have run and no byte has left. This
 * `Readable` yields nothing: only the call of `pipe()` matters.
 *
 * Just before, the framework adds listeners to both, to destroy one when the other fails. Those listeners would keep
 * the payload and more in memory until the response ends: a quarter more heap for an idle stream. So they are removed
 * from the response when the payload ends. Nothing is left to destroy then.
 */
export class HeadPayload extends Readable {
  readonly #response: ServerResponse
  readonly #onPipe: (destination: NodeJS.WritableStream, endsResponse: boolean) => void
  /** Listeners that were added to the response since the last one was added to this payload. */
  #watchers: [event: string, listener: () => void][] | undefined

  /** @param onPipe gets the destination, and true if the framework ends the response itself (to send trailers) */
  constructor(
    response: ServerResponse,
    onPipe: (destination: NodeJS.WritableStream, endsResponse: boolean) => void,
  ) {
    super()
    this.#response = response
    this.#onPipe = onPipe
  }

  override _read(): void {}

  // Hooks add their listeners earlier. The framework adds its own to this payload first, and then to the response.
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

  /** Emits 'end' for the framework that has piped it. */
  end(): void {
    // An 'error' of the response without a listener would end the process.
    this.#response.on('error', () => {})
    for (const [event, listener] of this.#watchers ?? []) this.#response.removeListener(event, listener)
    this.push(null)
    this.resume()
  }
}
