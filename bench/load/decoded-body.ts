/**
 * A body in a content coding, decoded with the streams of `node:zlib`: an implementation apart from the one that the
 * server has made it with.
 */
import type { Transform } from 'node:stream'
import zlib from 'node:zlib'
import type { BodyListener, EventBody } from '../../profiler/client/event-body.ts'

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
 * Decodes a body, and has its events read by another. The decoder answers from another thread, and each time costs more
 * than the decoding: so pieces are collected for a while, by which the times of their events are late.
 */
export class DecodedBody implements EventBody {
  readonly #text: EventBody
  readonly #listener: Pick<BodyListener, 'ended'>
  readonly #decoder: Transform
  #waiting: Buffer[] = []
  #decoding = false
  #timer: NodeJS.Timeout | undefined
  #ended = false

  /** @param text gets what is decoded */
  constructor(coding: Coding, text: EventBody, listener: Pick<BodyListener, 'decoded' | 'ended'>) {
    this.#text = text
    this.#listener = listener
    this.#decoder = decoderFor(coding)
    this.#decoder.on('data', (piece: Buffer) => {
      text.scan(piece, 0, piece.length)
      listener.decoded()
    })
    this.#decoder.on('end', () => this.#finish())
    this.#decoder.on('error', (error) => this.#finish(error))
  }

  get events(): number {
    return this.#text.events
  }

  get bytes(): number {
    return this.#text.bytes
  }

  get inSequence(): boolean {
    return this.#text.inSequence !== false
  }

  /** Keeps no reference to the buffer. */
  scan(chunk: Buffer, from: number, to: number): void {
    this.#waiting.push(Buffer.from(chunk.subarray(from, to)))
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined
      this.#decode()
    }, COLLECTED_MS)
  }

  /** Hands over what has come. */
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
    this.#listener.ended(error)
  }
}
