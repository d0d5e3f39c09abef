/**
 * A body in a content coding, decoded with the streams of `node:zlib`: an implementation that knows nothing of what
 * the server has made it with.
 */
import type { Transform } from 'node:stream'
import zlib from 'node:zlib'
import type { EventBody } from '../../profiler/client/event-body.ts'

/** A content coding (RFC 9110, 8.4.1). */
export type Coding = 'gzip' | 'br' | 'zstd'

/** Newer than the types of the oldest Node that is supported. */
const { createZstdDecompress } = zlib as { createZstdDecompress?: () => Transform }

/** Whether this Node has the coding. */
export function knowsCoding(coding: Coding): boolean {
  return coding !== 'zstd' || createZstdDecompress !== undefined
}

function decoderFor(coding: Coding): Transform {
  if (coding === 'gzip') return zlib.createGunzip()
  if (coding === 'br') return zlib.createBrotliDecompress()
  if (createZstdDecompress === undefined) throw new Error('This Node has no zstd')
  return createZstdDecompress()
}

/** How long pieces of a body are collected before they are decoded. */
const COLLECTED_MS = 5

/**
 * Takes pieces of a coded body. The decoder answers from another thread, and each time costs more than the decoding:
 * so pieces are collected for a while, by which the times of their events are late.
 */
export class DecodedBody {
  readonly #decoder: Transform
  readonly #onEnd: (error?: Error) => void
  #waiting: Buffer[] = []
  #decoding = false
  #timer: NodeJS.Timeout | undefined
  #ended = false

  /**
   * @param onDecoded called when events may have come
   * @param onEnd called once: when all is decoded, or with what is wrong with the body
   */
  constructor(coding: Coding, body: EventBody, onDecoded: () => void, onEnd: (error?: Error) => void) {
    this.#onEnd = onEnd
    this.#decoder = decoderFor(coding)
    this.#decoder.on('data', (text: Buffer) => {
      body.scan(text, 0, text.length)
      onDecoded()
    })
    this.#decoder.on('end', () => this.#finish())
    this.#decoder.on('error', (error) => this.#finish(error))
  }

  /** Keeps no reference to the buffer. */
  push(chunk: Buffer, from: number, to: number): void {
    this.#waiting.push(Buffer.from(chunk.subarray(from, to)))
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined
      this.#decode()
    }, COLLECTED_MS)
  }

  /** Hands over what was pushed. */
  #decode(): void {
    if (this.#decoding || this.#waiting.length === 0) return
    const coded = Buffer.concat(this.#waiting)
    this.#waiting = []
    this.#decoding = true
    this.#decoder.write(coded, () => {
      this.#decoding = false
      if (this.#ended) this.end()
    })
  }

  /** No more will be pushed. */
  end(): void {
    this.#ended = true
    this.#decode()
    if (!this.#decoding) this.#decoder.end()
  }

  destroy(): void {
    clearTimeout(this.#timer)
    this.#decoder.destroy()
  }

  #finish(error?: Error): void {
    this.destroy()
    this.#onEnd(error)
  }
}
