/**
 * Content codings for event streams (RFC 9110, 8.4): each hand-over is compressed and flushed, so that no event
 * waits in the compressor, in place, so that a producer may block right after it. (The streams of `node:zlib`
 * answer by a callback, for which a producer that blocks its thread would make its own events wait.)
 *
 * A coded body is made of whole blocks. That lets the server's thread say something in a body that is compressed on
 * another thread: a sign of life that decodes to nothing, and an uncompressed end.
 */
import zlib, { constants, crc32 } from 'node:zlib'
import * as minizlib from 'minizlib'
import Negotiator from 'negotiator'

/** Content codings that browsers decode in event streams. */
export type ContentCoding = 'zstd' | 'br' | 'gzip'

/** All of them, best first: the cheapest to make, the smallest, the one that all can read. */
export const KNOWN_CODINGS: readonly ContentCoding[] = ['zstd', 'br', 'gzip']

/** Those that this Node can make: zstd is newer than the oldest Node that is supported. */
export const CONTENT_CODINGS: readonly ContentCoding[] = KNOWN_CODINGS.filter(
  (coding) => coding !== 'zstd' || 'createZstdCompress' in zlib,
)

/**
 * The coding for a client, after RFC 9110, 12.5.3.
 *
 * @param accepted the request's `Accept-Encoding`
 * @param offered best first
 * @returns undefined for none
 */
export function negotiateCoding(
  accepted: string | undefined,
  offered: readonly ContentCoding[],
): ContentCoding | undefined {
  // Without the header any coding is allowed; but such a client may decode none.
  if (accepted === undefined || accepted.length > LONGEST_HEADER) return undefined
  const negotiator: NegotiatesEncodings = new Negotiator({ headers: { 'accept-encoding': accepted } })
  const available = [...offered.filter((coding) => CONTENT_CODINGS.includes(coding)), 'identity']
  const [best] = negotiator.encodings(available, { preferred: available })
  return best === 'identity' ? undefined : (best as ContentCoding | undefined)
}

/** No client means more than this; to parse the longest that Node takes would hold everybody else up. */
const LONGEST_HEADER = 1_000

/** What the library has, and its types have not yet. */
interface NegotiatesEncodings {
  encodings(available: readonly string[], options?: { preferred: readonly string[] }): string[]
}

/** How one coding is made, and what of it is the same in every body. */
interface Format {
  /** What each body begins with. */
  readonly prefix: Uint8Array
  /** How many bytes of the compressor's own output are that prefix. */
  readonly ownPrefix: number
  /** A block that decodes to nothing. */
  readonly empty: Uint8Array
  /** Makes what compresses a body: each write is flushed. */
  compressor(): Compressing
  /** Uncompressed text, and the end of the body. */
  end(text: Buffer, checksum: Checksum): Uint8Array[]
}

interface Compressing {
  write(bytes: Buffer): unknown
  read(): Buffer | null
  close(): void
}

/** Of all that a body decodes to. */
export interface Checksum {
  /** CRC-32, where the coding wants one; else 0. */
  crc: number
  /** Bytes, modulo 2^32. */
  size: number
}

const littleEndian = (value: number, bytes: 2 | 3 | 4): number[] =>
  Array.from({ length: bytes }, (_, index) => (value >>> (8 * index)) & 0xff)

/** Uncompressed blocks of at most `most` bytes each, with what stands before each. */
function blocks(text: Buffer, most: number, header: (length: number) => number[]): Buffer[] {
  const parts: Buffer[] = []
  for (let at = 0; at < text.length; at += most) {
    const part = text.subarray(at, at + most)
    parts.push(Buffer.from(header(part.length)), part)
  }
  return parts
}

/** zstd can look back this far: 128 KiB. */
const ZSTD_WINDOW_LOG = 17
/** Brotli can look back this far: 64 KiB. */
const BROTLI_WINDOW_LOG = 16
const BROTLI_QUALITY = 5
const ZSTD_LEVEL = 1

// The types of minizlib know nothing of what it hands on to `node:zlib`.
const { BrotliCompress, DeflateRaw, ZstdCompress } = minizlib as unknown as Record<
  'BrotliCompress' | 'DeflateRaw' | 'ZstdCompress',
  new (options: object) => Compressing
>

/** For `node:zlib`: bytes of output at a time. Its default is four times as much, for each stream. */
const OUTPUT = { chunkSize: 4_096 }

// Newer than the types of the oldest Node that is supported.
const { ZSTD_e_flush, ZSTD_c_compressionLevel, ZSTD_c_windowLog } = constants as unknown as Record<
  'ZSTD_e_flush' | 'ZSTD_c_compressionLevel' | 'ZSTD_c_windowLog',
  number
>

const FORMATS: Readonly<Record<ContentCoding, Format>> = {
  // RFC 1952 around RFC 1951.
  gzip: {
    prefix: Buffer.from([0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff]),
    ownPrefix: 0,
    empty: Buffer.from([0, 0, 0, 0xff, 0xff]),
    compressor: () => new DeflateRaw({ flush: constants.Z_SYNC_FLUSH, ...OUTPUT }),
    end: (text, { crc, size }) => [
      ...blocks(text, 0xffff, (length) => [0, ...littleEndian(length, 2), ...littleEndian(~length, 2)]),
      Buffer.from([1, 0, 0, 0xff, 0xff, ...littleEndian(crc, 4), ...littleEndian(size, 4)]),
    ],
  },
  // RFC 7932. The prefix is what a compressor of this window says when it is flushed with nothing in it.
  br: {
    prefix: Buffer.from([0x0c]),
    ownPrefix: 1,
    empty: Buffer.from([0x06]),
    compressor: () =>
      new BrotliCompress({
        flush: constants.BROTLI_OPERATION_FLUSH,
        ...OUTPUT,
        params: {
          [constants.BROTLI_PARAM_MODE]: constants.BROTLI_MODE_TEXT,
          [constants.BROTLI_PARAM_QUALITY]: BROTLI_QUALITY,
          [constants.BROTLI_PARAM_LGWIN]: BROTLI_WINDOW_LOG,
        },
      }),
    end: (text) => [
      // A meta-block: not the last, four nibbles of length less one, uncompressed.
      ...blocks(text, 0x10000, (length) => littleEndian(((length - 1) << 3) | (1 << 19), 3)),
      Buffer.from([0x03]),
    ],
  },
  // RFC 8878. The prefix is a frame's header: no checksum, no size, the window.
  zstd: {
    prefix: Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0, (ZSTD_WINDOW_LOG - 10) << 3]),
    ownPrefix: 6,
    empty: Buffer.from([0, 0, 0]),
    compressor: () =>
      new ZstdCompress({
        flush: ZSTD_e_flush,
        ...OUTPUT,
        params: { [ZSTD_c_compressionLevel]: ZSTD_LEVEL, [ZSTD_c_windowLog]: ZSTD_WINDOW_LOG },
      }),
    end: (text) => [
      ...blocks(text, 0x10000, (length) => littleEndian(length << 3, 3)),
      Buffer.from([1, 0, 0]),
    ],
  },
}

/** Of a body in which nothing has been said. */
const nothing = (): Checksum => ({ crc: 0, size: 0 })

/** Compresses one body, on whichever thread. What it holds is made with the first text. */
export class Compressor {
  readonly #format: Format
  readonly #hasCrc: boolean
  #compressing: Compressing | undefined
  readonly #checksum = nothing()
  #closed = false

  constructor(coding: ContentCoding) {
    this.#format = FORMATS[coding]
    this.#hasCrc = coding === 'gzip'
  }

  /** Of all that was compressed so far. */
  get checksum(): Readonly<Checksum> {
    return this.#checksum
  }

  /** Whole blocks that decode to `text`. */
  compress(text: Buffer): Buffer {
    if (this.#closed) throw new Error('the compressor is closed')
    // Not every compressor writes its header before the first event.
    if (text.length === 0) return NO_BYTES
    this.#checksum.size = (this.#checksum.size + text.length) >>> 0
    if (this.#hasCrc) this.#checksum.crc = crc32(text, this.#checksum.crc)
    if (this.#compressing !== undefined) return pass(this.#compressing, text)
    const compressing = (this.#compressing = this.#format.compressor())
    const { ownPrefix } = this.#format
    if (ownPrefix === 0) return pass(compressing, text)
    // Flushed with nothing in it, so that its prefix is whole bytes.
    return Buffer.concat([pass(compressing, NO_BYTES), pass(compressing, text)]).subarray(ownPrefix)
  }

  /** Frees its memory. Nothing can be compressed after it. */
  close(): void {
    this.#closed = true
    this.#compressing?.close()
    this.#compressing = undefined
  }
}

const NO_BYTES = Buffer.alloc(0)

function pass(compressing: Compressing, text: Buffer): Buffer {
  compressing.write(text)
  return compressing.read() ?? NO_BYTES
}

/** One coded body as the thread that writes the response sees it: what stands around the compressed blocks. */
export class CodedBody {
  readonly #format: Format
  readonly #hasCrc: boolean
  #begun = false

  constructor(coding: ContentCoding) {
    this.#format = FORMATS[coding]
    this.#hasCrc = coding === 'gzip'
  }

  /** To be sent before anything else of the body; empty at every call but the first. */
  prefix(): Uint8Array {
    if (this.#begun) return NO_BYTES
    this.#begun = true
    return this.#format.prefix
  }

  /** A block that decodes to nothing: a sign of life, wherever a block may begin. */
  get empty(): Uint8Array {
    return this.#format.empty
  }

  /**
   * The end of the body.
   *
   * @param lastWords are sent before it, uncompressed
   * @param checksum of the body so far
   */
  end(lastWords: string, { crc, size }: Readonly<Checksum> = nothing()): Buffer {
    const text = Buffer.from(lastWords)
    const checksum = {
      crc: this.#hasCrc ? crc32(text, crc) : 0,
      size: (size + text.length) >>> 0,
    }
    return Buffer.concat([this.prefix(), ...this.#format.end(text, checksum)])
  }
}
