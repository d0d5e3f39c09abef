import { joinBytes, type Chunk } from './backlog.ts'
import { CodedBody, Compressor, type Checksum, type ContentCoding } from './compression.ts'

/** How what a sink has taken becomes the body of its response. What an optional method is for stands there. */
export interface ResponseBody {
  /** What was taken, as it goes to the response. */
  encode(chunks: Chunk[]): Chunk[]
  /** A sign of life, as it goes to the response. Without it a comment is one. */
  heartbeat?(): Chunk[]
  /** Text of this thread stands at the end of the body. Without it such text goes to {@link encode}. */
  keep?(chunk: Chunk): void
  /**
   * More of the body is about to come, compressed already.
   *
   * @param checksum of the body so far, before compression, what comes included
   * @returns bytes by which the body has grown
   */
  advance?(checksum: Readonly<Checksum>): number
  /** @returns the end of the body, and bytes of text in it that were not counted when they were written */
  end?(): { chunk: Chunk; bytes: number }
  /** Frees its memory. */
  close?(): void
}

/** Without a content coding. */
export const PLAIN: ResponseBody = Object.freeze({ encode: (chunks: Chunk[]): Chunk[] => chunks })

/** Compressed on this thread, all that is handed over at a time in one piece. */
export class CompressedBody implements ResponseBody {
  readonly #coded: CodedBody
  readonly #compressor: Compressor

  constructor(coding: ContentCoding) {
    this.#coded = new CodedBody(coding)
    this.#compressor = new Compressor(coding)
  }

  encode(chunks: Chunk[]): Chunk[] {
    return [this.#coded.prefix(), this.#compressor.compress(joinBytes(chunks))]
  }

  heartbeat(): Chunk[] {
    return [this.#coded.prefix(), this.#coded.empty]
  }

  end(): { chunk: Chunk; bytes: number } {
    return { chunk: this.#coded.end('', this.#compressor.checksum), bytes: 0 }
  }

  close(): void {
    this.#compressor.close()
  }
}

/** Compressed where its producer runs: whole blocks come from there. */
export class ForwardedBody implements ResponseBody {
  readonly #coded: CodedBody
  /** What the body begins with there. Written here only where nothing comes from there. */
  #firstWords: string
  /** What this thread has written: uncompressed, it stands at the end. */
  #lastWords = ''
  #checksum: Readonly<Checksum> | undefined

  constructor(coding: ContentCoding, firstWords: string) {
    this.#coded = new CodedBody(coding)
    this.#firstWords = firstWords
  }

  encode(chunks: Chunk[]): Chunk[] {
    return [this.#coded.prefix(), ...chunks]
  }

  heartbeat(): Chunk[] {
    return [this.#coded.prefix(), this.#coded.empty]
  }

  keep(chunk: Chunk): void {
    this.#lastWords += typeof chunk === 'string' ? chunk : Buffer.from(chunk).toString()
  }

  advance(checksum: Readonly<Checksum>): number {
    const bytes = (checksum.size - (this.#checksum?.size ?? 0)) >>> 0
    this.#checksum = checksum
    this.#firstWords = ''
    return bytes
  }

  end(): { chunk: Chunk; bytes: number } {
    const words = this.#firstWords + this.#lastWords
    return { chunk: this.#coded.end(words, this.#checksum), bytes: Buffer.byteLength(this.#firstWords) }
  }
}
