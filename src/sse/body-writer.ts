import { OutgoingMessage } from 'node:http'
import { Socket } from 'node:net'
import { joinBytes, type Chunk } from './backlog.ts'
import { chunkOf, type SharedEvent } from './shared-event.ts'

/** The part of `http.ServerResponse` that a body is written to. */
export interface WritableResponse {
  /** Undefined once an HTTP/2 response is closed. */
  readonly socket: Socket | null | undefined
  /** Bytes that wait in the response and in its socket. */
  readonly writableLength: number
  readonly writableCorked: number
  readonly writableEnded: boolean
  cork(): void
  uncork(): void
  write(chunk: Chunk, callback?: (error?: Error | null) => void): boolean
}

/** Bytes up to which it costs less to copy them into text than to hand them over in pieces. */
const COPIED_BYTES = 4_096

/**
 * Hands a body to the kernel: each call in one system call, made before it returns.
 *
 * Node's response hands each chunk to its socket in four pieces with a callback each, which costs more than all else
 * that is done for an event. Here a chunk is framed as one text (RFC 9112, 7.1), and written to the socket past the
 * response. That is safe because:
 *
 * - The socket is of Node's own class. TLS and HTTP/2 have sockets of other classes.
 * - The first two chunks go through the response. By the bytes that the second adds to `socket.bytesWritten` it is known
 *   that the head has left, and how this response frames its body.
 * - For each chunk `response.write()` is Node's own (a plugin may wrap it, for one response or for all), the response has
 *   not ended, the socket is still its socket and writable, nothing waits in either, and neither is corked.
 *
 * Otherwise the response takes the chunk.
 */
export class BodyWriter {
  readonly #response: WritableResponse
  readonly #onEmpty: () => void
  /** Calls of `#onEmpty` that are to come. After an error it stays above 0. */
  #pending = 0
  /** Undefined until the first chunk. */
  #socket: Socket | undefined
  /** `unknown` until the second chunk; `foreign` where the response has to frame its body itself. */
  #framing: 'unknown' | 'chunked' | 'bare' | 'foreign' = 'unknown'

  /** @param onEmpty called when the kernel has taken bytes that had to wait; without an error also when they are lost */
  constructor(response: WritableResponse, onEmpty: () => void) {
    this.#response = response
    this.#onEmpty = onEmpty
  }

  /** @param length of the chunk in bytes, from 1: an empty chunk would end the body */
  write(chunk: Chunk, length: number): void {
    const socket = this.#clearSocket()
    if (socket === undefined) {
      this.#respond([chunk])
    } else if (this.#framing === 'unknown') {
      this.#explore(socket, chunk, length)
    } else if (typeof chunk === 'string') {
      // As many bytes as UTF-16 units: all are ASCII, and copied in half the time.
      this.#send(socket, chunk, length, length === chunk.length ? 'latin1' : 'utf8')
    } else if (length <= COPIED_BYTES) {
      this.#send(socket, asBuffer(chunk).toString('latin1'), length, 'latin1')
    } else {
      this.#respond([chunk])
    }
  }

  /** Writes an event that many streams send: it is framed once for all of them. */
  writeShared(event: SharedEvent): void {
    const socket = this.#framing === 'chunked' ? this.#clearSocket() : undefined
    if (socket === undefined) this.write(event.text, event.bytes)
    else this.#hand(socket, chunkOf(event), 'latin1')
  }

  /** Writes chunks in one system call; some may be empty. */
  writeAll(chunks: readonly Chunk[]): void {
    const joined = joinText(chunks)
    const length = joined.reduce((sum, chunk) => sum + Buffer.byteLength(chunk), 0)
    if (length === 0) return
    if (joined.length === 1) this.write(joined[0] as Chunk, length)
    else if (length <= COPIED_BYTES) this.write(joinBytes(joined), length)
    else this.#respond(joined)
  }

  /** Has `onEmpty` called, also if all that waits was written to the response elsewhere (`reply.raw.write()`). */
  awaitEmpty(): void {
    const response = this.#response
    if (this.#pending > 0 || response.writableEnded) return
    if (!(response instanceof OutgoingMessage)) this.#respondWith('')
    else if (response.socket !== null) this.#awaitSocket(response.socket)
  }

  /** The last of the body; some may be empty. It leaves with the end of the response, which follows in the same turn. */
  writeLast(chunks: readonly Chunk[]): void {
    for (const chunk of joinText(chunks)) if (chunk.length > 0) this.#respondWith(chunk)
  }

  /** The socket, if a chunk may be written to it past the response, or if that is still to be found out. */
  #clearSocket(): Socket | undefined {
    const response = this.#response
    const { socket } = response
    if (this.#framing === 'foreign' || socket == null) return undefined
    if (socket !== this.#socket) {
      this.#socket ??= socket
      return undefined
    }
    const isClear =
      response.write === NODES_WRITE &&
      response.writableLength === 0 &&
      response.writableCorked === 0 &&
      // After a `reply.raw.end()` elsewhere, a chunk would stand where the next response begins.
      !response.writableEnded &&
      socket.writableCorked === 0 &&
      socket.writable
    return isClear ? socket : undefined
  }

  /** All pieces have left when uncork() returns. Without cork() Node would delay the second until the next tick. */
  #respond(chunks: readonly Chunk[]): void {
    const response = this.#response
    response.cork()
    for (const chunk of chunks) if (chunk.length > 0) this.#respondWith(chunk)
    response.uncork()
    if (isWrapped(response) && response.writableLength > 0) this.awaitEmpty()
  }

  #respondWith(chunk: Chunk): void {
    const response = this.#response
    // A plugin's `write()` may drop the callback.
    if (isWrapped(response)) {
      response.write(chunk)
      return
    }
    this.#pending++
    response.write(chunk, this.#onWritten)
  }

  #awaitSocket(socket: Socket): void {
    this.#pending++
    socket.write('', this.#onWritten)
  }

  readonly #onWritten = (error?: Error | null): void => {
    // After an error nothing leaves any more. To await it again would fail again, in a loop without an end.
    if (error == null) this.#pending--
    this.#onEmpty()
  }

  #explore(socket: Socket, chunk: Chunk, length: number): void {
    if (!isPlain(socket)) {
      this.#framing = 'foreign'
      this.#respond([chunk])
      return
    }
    const before = socket.bytesWritten
    this.#respond([chunk])
    const added = socket.bytesWritten - before
    if (added === sizeLine(length).length + length + CRLF.length) this.#framing = 'chunked'
    else this.#framing = added === length ? 'bare' : 'foreign'
  }

  #send(socket: Socket, text: string, length: number, encoding: 'latin1' | 'utf8'): void {
    this.#hand(socket, this.#framing === 'bare' ? text : sizeLine(length) + text + CRLF, encoding)
  }

  #hand(socket: Socket, text: string, encoding: 'latin1' | 'utf8'): void {
    socket.write(text, encoding)
    if (socket.writableLength > 0) this.#awaitSocket(socket)
  }
}

const CRLF = '\r\n'

const sizeLine = (length: number): string => length.toString(16) + CRLF

/** The `write()` of all responses when this module was loaded. */
const WRITE: unknown = Reflect.get(OutgoingMessage.prototype, 'write')

/** Node's own; undefined if that was wrapped before, as by a tracer that is preloaded. */
const NODES_WRITE = String(WRITE).includes('write_(this') ? WRITE : undefined

const isWrapped = (response: WritableResponse): boolean =>
  response.write !== NODES_WRITE && response instanceof OutgoingMessage

/** Whether what is written to the socket gets to the kernel by Node's code alone. */
function isPlain(socket: Socket): boolean {
  return (
    Object.getPrototypeOf(socket) === Socket.prototype &&
    socket.write === Socket.prototype.write &&
    !Object.hasOwn(socket, '_write')
  )
}

/** Text is written, and measured, as one: apart, the halves of a surrogate pair take more bytes. */
const joinText = (chunks: readonly Chunk[]): readonly Chunk[] =>
  chunks.length > 1 && chunks.every((chunk) => typeof chunk === 'string') ? [chunks.join('')] : chunks

const asBuffer = ({ buffer, byteOffset, byteLength }: Uint8Array): Buffer =>
  Buffer.from(buffer, byteOffset, byteLength)
