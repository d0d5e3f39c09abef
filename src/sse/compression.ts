/**
 * Content codings for event streams (RFC 9110, 8.4).
 *
 * Each hand-over is flushed, so that no event waits in the compressor. Compression is synchronous: a producer may block
 * right after `send()`. (The streams of `node:zlib` return their output in a callback, which runs only when the
 * producer stops blocking its thread.)
 *
 * A coded body consists of whole blocks. So the server's thread can add to a body that is compressed on another thread:
 * a heartbeat that decodes to nothing, and an uncompressed end.
 */
import zlib, { constants, crc32 } from 'node:zlib'
import * as minizlib from 'minizlib'
import Negotiator from 'negotiator'

/** Content codings that browsers decode in event streams. */
export type ContentCoding = 'zstd' | 'br' | 'gzip'

/**
 * All of them, best first for events of some KB: zstd costs least CPU, br makes fewest bytes, all clients decode gzip.
 */
export const KNOWN_CODINGS: readonly ContentCoding[] = ['zstd', 'br', 'gzip']

/** Those that this Node supports: zstd exists from Node 22.15 and 23.8 on. */
export const CONTENT_CODINGS: readonly ContentCoding[] = KNOWN_CODINGS.filter(
  (coding) => coding !== 'zstd' || 'createZstdCompress' in zlib,
)

/**
 * The coding for a client, by RFC 9110, 12.5.3.
 *
 * @param accepted the request's `Accept-Encoding`
 * @param offered best first
 * @returns undefined for none
 */
export function negotiateCoding(
  accepted: string | undefined,
  offered: readonly ContentCoding[],
): ContentCoding | undefined {
  // Without the header any coding is allowed, but such a client may decode none.
  if (accepted === undefined || accepted.length > LONGEST_HEADER) return undefined
  const negotiator: NegotiatesEncodings = new Negotiator({ headers: { 'accept-encoding': accepted } })
  const available = [...offered.filter((coding) => CONTENT_CODINGS.includes(coding)), 'identity']
  const [best] = negotiator.encodings(available, { preferred: available })
  return best === 'identity' ? undefined : (best as ContentCoding | undefined)
}

/**
 * In characters. No real header is longer, and to parse the longest that Node accepts would block the server's thread.
 */
const LONGEST_HEADER = 1_000

/** The option `preferred` exists in negotiator, but not in its types. */
interface NegotiatesEncodings {
  encodings(available: readonly string[], options?: { preferred: readonly string[] }): string[]
}

/** One coding: its compressor, and the bytes that are the same in every body. */
interface Format {
  /** The first bytes of each body. */
  readonly prefix: Uint8Array
  /** How many of the first bytes of the compressor's output are that prefix. */
  readonly ownPrefix: number
  /** A block that decodes to nothing. */
  readonly empty: Uint8Array
  /** Makes the compressor of one body. It flushes each write. */
  compressor(): Compressing
  /** The end of the body, with uncompressed `text` before it. */
  end(text: Buffer, checksum: Checksum): Uint8Array[]
}

interface Compressing {
  write(bytes: Buffer): unknown
  read(): Buffer | null
  close(): void
}

/** Checksum of everything that a body decodes to. */
export interface Checksum {
  /** CRC-32 where the coding has one (gzip), else 0. */
  crc: number
  /** Bytes, modulo 2^32. */
  size: number
}

const littleEndian = (value: number, bytes: 2 | 3 | 4): number[] =>
  Array.from({ length: bytes }, (_, index) => (value >>> (8 * index)) & 0xff)

/** Uncompressed blocks of at most `most` bytes each, with a header before each. */
function blocks(text: Buffer, most: number, header: (length: number) => number[]): Buffer[] {
  const parts: Buffer[] = []
  for (let at = 0; at < text.length; at += most) {
    const part = text.subarray(at, at + most)
    parts.push(Buffer.from(header(part.length)), part)
  }
  return parts
}

/** The window of zstd: 128 KiB. */
const ZSTD_WINDOW_LOG = 17
/** The window of brotli: 64 KiB. */
const BROTLI_WINDOW_LOG = 16
const BROTLI_QUALITY = 5
const ZSTD_LEVEL = 1

// The types of minizlib lack the options that it passes on to `node:zlib`.
const { BrotliCompress, DeflateRaw, ZstdCompress } = minizlib as unknown as Record<
  'BrotliCompress' | 'DeflateRaw' | 'ZstdCompress',
  new (options: object) => Compressing
>

/** For `node:zlib`: the output buffer of each stream, in bytes. Node's default is four times as large. */
const OUTPUT = { chunkSize: 4_096 }

// `@types/node` for Node 20 lacks these.
const { ZSTD_e_flush, ZSTD_c_compressionLevel, ZSTD_c_windowLog } = constants as unknown as Record<
  'ZSTD_e_flush' | 'ZSTD_c_compressionLevel' | 'ZSTD_c_windowLog',
  number
>

const FORMATS: Readonly<Record<ContentCoding, Format>> = {
  // A gzip wrapper (RFC 1952) around raw deflate (RFC 1951).
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
  // RFC 7932. The prefix is the output of a compressor with this window when it is flushed without input.
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
      // A meta-block: not the last, four nibbles for the length minus one, uncompressed.
      ...blocks(text, 0x10000, (length) => littleEndian(((length - 1) << 3) | (1 << 19), 3)),
      Buffer.from([0x03]),
    ],
  },
  // RFC 8878. The prefix is a frame header: no checksum, no content size, the window.
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

/** The checksum of an empty body. */
const nothing = (): Checksum => ({ crc: 0, size: 0 })

/** Compresses one body, on any thread. Its memory is allocated with the first text. */
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

  /** Of everything that was compressed so far. */
  get checksum(): Readonly<Checksum> {
    return this.#checksum
  }

  /** Returns whole blocks that decode to `text`. */
  compress(text: Buffer): Buffer {
    if (this.#closed) throw new Error('the compressor is closed')
    // Without input some compressors write their header, and some write nothing.
    if (text.length === 0) return NO_BYTES
    this.#checksum.size = (this.#checksum.size + text.length) >>> 0
    if (this.#hasCrc) this.#checksum.crc = crc32(text, this.#checksum.crc)
    if (this.#compressing !== undefined) return pass(this.#compressing, text)
    const compressing = (this.#compressing = this.#format.compressor())
    const { ownPrefix } = this.#format
    if (ownPrefix === 0) return pass(compressing, text)
    // Flushed without input first, so that the prefix ends at a byte boundary.
    return Buffer.concat([pass(compressing, NO_BYTES), pass(compressing, text)]).subarray(ownPrefix)
  }

  /** Frees its memory. `compress()` throws after it. */
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

/** One coded body on the thread that writes the response: the bytes around the compressed blocks. */
export class CodedBody {
  readonly #format: Format
  readonly #hasCrc: boolean
  #begun = false

  constructor(coding: ContentCoding) {
    this.#format = FORMATS[coding]
    this.#hasCrc = coding === 'gzip'
  }

  /** The first bytes of the body. Empty at every call but the first. */
  prefix(): Uint8Array {
    if (this.#begun) return NO_BYTES
    this.#begun = true
    return this.#format.prefix
  }

  /** A block that decodes to nothing, for heartbeats. It may stand between any two blocks. */
  get empty(): Uint8Array {
    return this.#format.empty
  }

  /**
   * The end of the body.
   *
   * @param lastWords text before it, uncompressed
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
