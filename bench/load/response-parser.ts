import type { Coding } from './decoded-body.ts'
import type { EventBody, EventShape } from '../../profiler/client/event-body.ts'
import { EventScanner } from '../../profiler/client/event-scanner.ts'
import { FixedEvents } from './fixed-events.ts'

const LF = 0x0a
const CR = 0x0d
const LONGEST_HEAD = 16_384
const LONGEST_LINE = 256

/**
 * Reads an HTTP/1.1 response as it comes: the head, then a chunked body (RFC 9112, 7.1) of events. A body in any
 * other framing does not tell whether it is complete, and is never counted as such; nor is one in another content
 * coding than was asked for.
 */
export class ResponseParser {
  /** What the body is after its content coding, if it has one. */
  readonly body: EventBody
  /** The coding that the body has to be in. Its pieces are then handed on, and not scanned. */
  readonly #coding: Coding | undefined
  readonly #onCoded: ((chunk: Buffer, from: number, to: number) => void) | undefined
  /** Undefined until the head is complete. */
  status: number | undefined
  /** True for a 200 that is an event stream in chunks, in the coding that was asked for: nothing else counts. */
  isEventStream = false
  /** The last chunk and the trailers' end were seen. */
  complete = false

  #phase: 'head' | 'size' | 'data' | 'dataEnd' | 'trailer' = 'head'
  #head = ''
  /** Bytes of the chunk that are still to come; while its size is read, the size so far. */
  #remaining = 0
  /** Bytes so far of the line that a chunk's size, a chunk's end or a trailer is. */
  #lineLength = 0

  /**
   * @param shape of the events; undefined where they may be of any kind
   * @param coded who takes the pieces of the body, and the coding that it is in, if any; undefined to scan it here
   */
  constructor(
    shape: EventShape | undefined,
    coded?: { coding: Coding | undefined; onCoded: (chunk: Buffer, from: number, to: number) => void },
  ) {
    this.body = shape === undefined ? new EventScanner() : new FixedEvents(shape)
    this.#coding = coded?.coding
    this.#onCoded = coded?.onCoded
  }

  /** @throws when the bytes are not such a response */
  push(chunk: Buffer): void {
    let index = 0
    if (this.#phase === 'head') {
      index = this.#readHead(chunk)
      if (!this.isEventStream) return
    }
    while (index < chunk.length) {
      if (this.complete) throw new Error('Bytes after the end of the response')
      if (this.#phase === 'data') {
        const end = Math.min(chunk.length, index + this.#remaining)
        if (this.#onCoded === undefined) this.body.scan(chunk, index, end)
        else this.#onCoded(chunk, index, end)
        this.#remaining -= end - index
        index = end
        if (this.#remaining === 0) this.#phase = 'dataEnd'
      } else {
        const byte = chunk[index++] as number
        if (byte === LF) this.#endLine()
        else if (byte !== CR) this.#readLine(byte)
      }
    }
  }

  /** @returns where in the chunk the body begins */
  #readHead(chunk: Buffer): number {
    const before = this.#head.length
    this.#head += chunk.toString('latin1')
    const end = this.#head.indexOf('\r\n\r\n')
    if (end < 0) {
      if (this.#head.length > LONGEST_HEAD) throw new Error('The head has no end')
      return chunk.length
    }
    const head = this.#head.slice(0, end + 2)
    const status = /^HTTP\/1\.1 (\d{3}) /.exec(head)?.[1]
    if (status === undefined) throw new Error('Not a status line of HTTP/1.1')
    this.status = Number(status)
    this.isEventStream =
      this.status === 200 &&
      /^content-type: *text\/event-stream\s*(;|\r)/im.test(head) &&
      /^transfer-encoding: *chunked\s*\r/im.test(head) &&
      /^content-encoding: *(\S+)\s*\r/im.exec(head)?.[1] === this.#coding
    this.#phase = 'size'
    return end + 4 - before
  }

  #readLine(byte: number): void {
    if (this.#phase === 'dataEnd') throw new Error('A chunk is longer than its size')
    if (++this.#lineLength > LONGEST_LINE) throw new Error('A line between chunks has no end')
    if (this.#phase === 'size') this.#remaining = this.#remaining * 16 + hexDigit(byte)
  }

  #endLine(): void {
    const isBlank = this.#lineLength === 0
    this.#lineLength = 0
    if (this.#phase === 'dataEnd') {
      this.#phase = 'size'
    } else if (this.#phase === 'trailer') {
      if (isBlank) this.complete = true
    } else {
      if (isBlank) throw new Error('A chunk without a size')
      this.#phase = this.#remaining === 0 ? 'trailer' : 'data'
    }
  }
}

function hexDigit(byte: number): number {
  if (byte >= 0x30 && byte <= 0x39) return byte - 0x30
  const lower = byte | 0x20
  if (lower >= 0x61 && lower <= 0x66) return lower - 0x61 + 10
  throw new Error(`Not a digit of a chunk's size: byte ${byte}`)
}
