import type { EventBody } from './event-body.ts'

const LF = 0x0a
const CR = 0x0d
const LONGEST_HEAD = 65_536
const LONGEST_LINE = 4_096
const STATUS_LINE = /^HTTP\/1\.([01]) (\d{3})(?: |$)/

export type Framing = 'chunked' | 'length' | 'close'

/** What came is not what it should be; the name of the outcome, and what was seen. */
export class ResponseFault extends Error {
  override name = 'ResponseFault'
  readonly outcome: 'malformed' | 'status' | 'not-event-stream' | 'content-encoding'

  constructor(outcome: ResponseFault['outcome'], message: string) {
    super(message)
    this.outcome = outcome
  }
}

/** The content coding of a body that has none (RFC 9110, 12.5.3). */
const PLAIN = 'identity'

/**
 * Reads any server's HTTP/1.x response as it comes (RFC 9112): interim heads, the head, and a body that is chunked,
 * of a known length, or that ends with the connection. It hands the body's bytes on without copying them.
 */
export class ResponseReader {
  /** Undefined until the head is complete. */
  status: number | undefined
  framing: Framing = 'close'
  /** The server lets the connection be used again. */
  reusable = false
  complete = false

  readonly #body: Pick<EventBody, 'scan'>
  readonly #coding: string
  #phase: 'head' | 'size' | 'extension' | 'data' | 'dataEnd' | 'trailer' | 'length' | 'close' = 'head'
  #head = ''
  /** Bytes that are still to come, of the body or its chunk; while a chunk's size is read, the size so far. */
  #remaining = 0
  #lineLength = 0

  /**
   * @param body gets the body's bytes, in the content coding that they are in
   * @param coding that was asked for, and the body has to be in. Default: none
   */
  constructor(body: Pick<EventBody, 'scan'>, coding: string = PLAIN) {
    this.#body = body
    this.#coding = coding
  }

  /** @throws ResponseFault */
  push(chunk: Buffer): void {
    let index = 0
    while (index < chunk.length) {
      if (this.complete) throw new ResponseFault('malformed', 'bytes after the end of the response')
      if (this.#phase === 'head') {
        index = this.#readHead(chunk, index)
      } else if (this.#phase === 'close') {
        this.#body.scan(chunk, index, chunk.length)
        return
      } else if (this.#phase === 'data' || this.#phase === 'length') {
        const end = Math.min(chunk.length, index + this.#remaining)
        this.#body.scan(chunk, index, end)
        this.#remaining -= end - index
        index = end
        if (this.#remaining === 0) {
          if (this.#phase === 'length') this.complete = true
          else this.#phase = 'dataEnd'
        }
      } else {
        index = this.#readLine(chunk, index)
      }
    }
  }

  /**
   * The server has closed the connection.
   *
   * @returns whether that was the end of the response
   */
  end(): boolean {
    if (this.#phase === 'close') this.complete = true
    return this.complete
  }

  /** @returns where what follows the head begins */
  #readHead(chunk: Buffer, from: number): number {
    const before = this.#head.length
    this.#head += chunk.toString('latin1', from)
    const start = this.#head.slice(0, 7)
    if (!'HTTP/1.'.startsWith(start)) {
      throw new ResponseFault('malformed', `it begins with ${JSON.stringify(this.#head.slice(0, 24))}`)
    }
    const end = this.#head.indexOf('\r\n\r\n')
    if (end < 0) {
      if (this.#head.length > LONGEST_HEAD) throw new ResponseFault('malformed', 'a head without an end')
      return chunk.length
    }
    const [statusLine = '', ...lines] = this.#head.slice(0, end).split('\r\n')
    this.#head = ''
    const [, minor, digits] = STATUS_LINE.exec(statusLine) ?? []
    if (digits === undefined) {
      throw new ResponseFault('malformed', `no status line: ${JSON.stringify(statusLine.slice(0, 40))}`)
    }
    const status = Number(digits)
    // After an interim response another one follows (RFC 9110, 15.2).
    if (status >= 200) this.#understand(status, minor === '1', lines)
    return from + end + 4 - before
  }

  #understand(status: number, isHttp11: boolean, lines: readonly string[]): void {
    const fields = new Map<string, string>()
    for (const line of lines) {
      const colon = line.indexOf(':')
      if (colon < 1) throw new ResponseFault('malformed', `no field: ${JSON.stringify(line.slice(0, 40))}`)
      const name = line.slice(0, colon).toLowerCase()
      const value = line.slice(colon + 1).trim()
      const before = fields.get(name)
      fields.set(name, before === undefined ? value : `${before}, ${value}`)
    }
    this.status = status
    if (status !== 200) throw new ResponseFault('status', `status ${status}`)
    const type = fields.get('content-type') ?? 'none'
    if (!/^text\/event-stream *(?:;|$)/i.test(type)) {
      throw new ResponseFault('not-event-stream', `content-type ${type}`)
    }
    const coding = fields.get('content-encoding') ?? PLAIN
    if (coding.toLowerCase() !== this.#coding) {
      throw new ResponseFault('content-encoding', `content-encoding ${coding}`)
    }
    const connection = fields.get('connection')?.toLowerCase() ?? ''
    this.reusable = isHttp11 ? !connection.includes('close') : connection.includes('keep-alive')
    const transfer = fields.get('transfer-encoding')?.toLowerCase()
    const length = fields.get('content-length')
    if (transfer !== undefined) {
      if (transfer !== 'chunked') throw new ResponseFault('malformed', `transfer-encoding ${transfer}`)
      this.framing = 'chunked'
      this.#phase = 'size'
    } else if (length === undefined) {
      this.reusable = false
      this.#phase = 'close'
    } else {
      if (!/^\d{1,15}$/.test(length)) throw new ResponseFault('malformed', `content-length ${length}`)
      this.framing = 'length'
      this.#remaining = Number(length)
      this.#phase = 'length'
      if (this.#remaining === 0) this.complete = true
    }
  }

  /** @returns where the line ends, or what there is of it */
  #readLine(chunk: Buffer, from: number): number {
    for (let index = from; index < chunk.length; index++) {
      const byte = chunk[index] as number
      if (byte === LF) {
        this.#endLine()
        return index + 1
      }
      if (byte !== CR) this.#readLineByte(byte)
    }
    return chunk.length
  }

  #readLineByte(byte: number): void {
    if (this.#phase === 'dataEnd') throw new ResponseFault('malformed', 'a chunk is longer than its size')
    if (++this.#lineLength > LONGEST_LINE) {
      throw new ResponseFault('malformed', 'a line between chunks has no end')
    }
    if (this.#phase !== 'size') return
    const digit = hexDigit(byte)
    if (digit !== undefined) {
      this.#remaining = this.#remaining * 16 + digit
      if (this.#remaining > Number.MAX_SAFE_INTEGER) {
        throw new ResponseFault('malformed', 'a chunk of an absurd size')
      }
    } else if (this.#lineLength > 1 && (byte === SEMICOLON || byte === SPACE || byte === TAB)) {
      this.#phase = 'extension'
    } else {
      throw new ResponseFault('malformed', `no digit of a chunk's size: byte ${byte}`)
    }
  }

  #endLine(): void {
    const isBlank = this.#lineLength === 0
    this.#lineLength = 0
    if (this.#phase === 'dataEnd') {
      this.#phase = 'size'
    } else if (this.#phase === 'trailer') {
      if (isBlank) this.complete = true
    } else {
      if (isBlank) throw new ResponseFault('malformed', 'a chunk without a size')
      this.#phase = this.#remaining === 0 ? 'trailer' : 'data'
    }
  }
}

const SEMICOLON = 0x3b
const SPACE = 0x20
const TAB = 0x09

function hexDigit(byte: number): number | undefined {
  if (byte >= 0x30 && byte <= 0x39) return byte - 0x30
  const lower = byte | 0x20
  return lower >= 0x61 && lower <= 0x66 ? lower - 0x61 + 10 : undefined
}
