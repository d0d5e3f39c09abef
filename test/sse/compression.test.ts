/** One file: each coding passes the same suite, on one body and one reader. */
import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import type { Transform } from 'node:stream'
import zlib from 'node:zlib'
import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { CodedBody, Compressor, CONTENT_CODINGS, negotiateCoding } from '../../src/sse/compression.ts'
import type { ContentCoding } from '../../src/sse/compression.ts'

/** Newer than the types of the oldest Node that is supported. */
const { createZstdDecompress, zstdDecompressSync } = zlib as unknown as {
  createZstdDecompress: () => Transform
  zstdDecompressSync: (bytes: Uint8Array) => Buffer
}

const decoder = (coding: ContentCoding): Transform =>
  ({
    gzip: () => zlib.createGunzip(),
    br: () => zlib.createBrotliDecompress(),
    zstd: () => createZstdDecompress(),
  })[coding]()

const decodeAtOnce = (coding: ContentCoding, bytes: Uint8Array): Buffer =>
  ({
    gzip: zlib.gunzipSync,
    br: zlib.brotliDecompressSync,
    zstd: (body: Uint8Array) => zstdDecompressSync(body),
  })[coding](bytes)

/** The decoder of Node 22 takes a zstd body that breaks off for a whole one. */
const takesAnyEnd = (coding: ContentCoding): boolean =>
  coding === 'zstd' && process.versions.node.startsWith('22.')

/** A client that decodes as bytes come: what it has decoded is known when a promise settles. */
class Reader {
  readonly #stream: Transform
  readonly #parts: Buffer[] = []
  #length = 0
  #ended = false

  constructor(coding: ContentCoding) {
    this.#stream = decoder(coding)
    this.#stream.on('data', (bytes: Buffer) => {
      this.#parts.push(bytes)
      this.#length += bytes.length
    })
    this.#stream.on('end', () => (this.#ended = true))
  }

  /** Resolves when the decoder has taken in all of it, and whatever that decodes to has come out. */
  async take(bytes: Uint8Array): Promise<void> {
    if (bytes.length > 0) await new Promise((resolve) => this.#stream.write(bytes, resolve))
  }

  /** Resolves when all that it has decoded is so many bytes long. */
  async has(length: number): Promise<void> {
    while (this.#length < length) await once(this.#stream, 'data')
  }

  /** Resolves at the body's own end; rejects when it is not well-formed. */
  async end(): Promise<void> {
    this.#stream.end()
    if (!this.#ended) await once(this.#stream, 'end')
  }

  get text(): Buffer {
    return Buffer.concat(this.#parts)
  }
}

/** Both halves of a coded body, as the thread of the producer and that of the server have them. */
class Body {
  readonly compressor: Compressor
  readonly coded: CodedBody
  readonly #parts: Uint8Array[] = []

  constructor(coding: ContentCoding) {
    this.compressor = new Compressor(coding)
    this.coded = new CodedBody(coding)
  }

  #add(...parts: Uint8Array[]): Buffer {
    this.#parts.push(...parts)
    return Buffer.concat(parts)
  }

  event(text: Buffer): Buffer {
    return this.#add(this.coded.prefix(), this.compressor.compress(text))
  }

  empty(): Buffer {
    return this.#add(this.coded.prefix(), this.coded.empty)
  }

  end(lastWords = ''): Buffer {
    const end = this.#add(this.coded.end(lastWords, this.compressor.checksum))
    this.compressor.close()
    return end
  }

  get whole(): Buffer {
    return Buffer.concat(this.#parts)
  }
}

/** Bytes that nothing compresses, the same ones for the same seed. */
function noise(length: number, seed = 1): Buffer {
  const bytes = Buffer.alloc(length)
  for (let at = 0, state = seed | 1; at < length; at++) {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    bytes[at] = state
  }
  return bytes
}

const event = (number: number): Buffer =>
  Buffer.from(`id: ${number}\ndata: {"number":${number},"text":"größer 中 😀"}\n\n`)

describe.each(CONTENT_CODINGS)('%s', (coding) => {
  test('each event is decoded completely before the next is compressed', async () => {
    const body = new Body(coding)
    const reader = new Reader(coding)
    let sent = Buffer.alloc(0)
    for (let number = 0; number < 100; number++) {
      sent = Buffer.concat([sent, event(number)])
      await reader.take(body.event(event(number)))
      await reader.has(sent.length)
      expect(reader.text.equals(sent)).toBe(true)
    }
    await reader.take(body.end())
    await reader.end()
    expect(decodeAtOnce(coding, body.whole).equals(sent)).toBe(true)
  })

  test.each([1, 2, 9, 255, 4_095, 4_096, 4_097, 65_535, 65_536, 131_073, 1_048_576])(
    'an event of %i bytes, that compresses or does not, comes out at once',
    async (length) => {
      const body = new Body(coding)
      const reader = new Reader(coding)
      const events = [Buffer.alloc(length, 'a'), noise(length), noise(length), Buffer.alloc(length, 'é')]
      let size = 0
      for (const each of events) {
        size += length
        await reader.take(body.event(each))
        await reader.has(size)
      }
      await reader.take(body.end())
      await reader.end()
      expect(reader.text.equals(Buffer.concat(events))).toBe(true)
    },
  )

  test('empty blocks decode to nothing, wherever they stand', async () => {
    const body = new Body(coding)
    const reader = new Reader(coding)
    // A sign of life has to be there.
    expect(body.coded.empty).not.toHaveLength(0)
    await reader.take(body.empty())
    await reader.take(body.empty())
    await reader.take(body.event(event(1)))
    await reader.has(event(1).length)
    for (let number = 0; number < 1_000; number++) await reader.take(body.empty())
    expect(reader.text.equals(event(1))).toBe(true)
    await reader.take(body.event(event(2)))
    await reader.has(event(1).length + event(2).length)
    await reader.take(body.empty())
    await reader.take(body.end())
    await reader.end()
    expect(reader.text.equals(Buffer.concat([event(1), event(2)]))).toBe(true)
    expect(decodeAtOnce(coding, body.whole).equals(reader.text)).toBe(true)
  })

  describe.each([0, 1, 2, 65_535, 65_536, 65_537, 200_000])(
    'an end with last words of %i bytes',
    (length) => {
      const words = 'w'.repeat(length)

      test.each([
        ['after events', 3],
        ['of a body without any', 0],
      ])('%s', async (_, events) => {
        const body = new Body(coding)
        const reader = new Reader(coding)
        let text = ''
        for (let number = 0; number < events; number++) {
          text += event(number).toString()
          await reader.take(body.event(event(number)))
        }
        await reader.take(body.end(words))
        await reader.end()
        expect(reader.text.toString() === text + words).toBe(true)
        // Checks what follows the end as well; gunzip also the checksum and the size.
        expect(decodeAtOnce(coding, body.whole).toString() === text + words).toBe(true)
      })
    },
  )

  test('last words are bytes of UTF-8', () => {
    const body = new Body(coding)
    body.event(event(1))
    body.end('größer 中 😀')
    expect(decodeAtOnce(coding, body.whole).toString()).toBe(`${event(1).toString()}größer 中 😀`)
  })

  test('the checksum is of all that was compressed', () => {
    const compressor = new Compressor(coding)
    compressor.compress(event(1))
    compressor.compress(event(2))
    const all = Buffer.concat([event(1), event(2)])
    expect(compressor.checksum).toEqual({ crc: coding === 'gzip' ? zlib.crc32(all) : 0, size: all.length })
  })

  test('any sequence of events, empty blocks and last words decodes to itself', async () => {
    const piece = fc.oneof(
      {
        weight: 3,
        arbitrary: fc.string({ unit: 'binary', maxLength: 300 }).map((text) => Buffer.from(text)),
      },
      { weight: 1, arbitrary: fc.nat(20_000).map((length) => noise(length, length)) },
      { weight: 1, arbitrary: fc.nat(200_000).map((length) => Buffer.alloc(length, 'data: x\n\n')) },
      { weight: 3, arbitrary: fc.constant('empty' as const) },
    )
    await fc.assert(
      fc.asyncProperty(
        fc.array(piece, { maxLength: 20 }),
        fc.string({ maxLength: 99 }),
        async (pieces, words) => {
          const body = new Body(coding)
          const reader = new Reader(coding)
          const texts: Buffer[] = []
          let size = 0
          for (const each of pieces) {
            if (each === 'empty') {
              await reader.take(body.empty())
              continue
            }
            texts.push(each)
            size += each.length
            await reader.take(body.event(each))
            await reader.has(size)
          }
          await reader.take(body.end(words))
          await reader.end()
          const expected = Buffer.concat([...texts, Buffer.from(words)])
          expect(reader.text.equals(expected)).toBe(true)
          expect(decodeAtOnce(coding, body.whole).equals(expected)).toBe(true)
        },
      ),
      { numRuns: 60 },
    )
  })

  test('what is empty decodes to nothing, first and later', () => {
    const body = new Body(coding)
    for (const text of ['', 'a', '', 'b']) body.event(Buffer.from(text))
    body.end()
    expect(decodeAtOnce(coding, body.whole).toString()).toBe('ab')
  })

  test.skipIf(takesAnyEnd(coding))('a body that breaks off is known to be broken', async () => {
    const body = new Body(coding)
    body.event(event(1))
    body.empty()
    expect(() => decodeAtOnce(coding, body.whole)).toThrow(/./)
  })

  test('after close() nothing can be compressed, and a second close() does no harm', () => {
    const compressor = new Compressor(coding)
    compressor.close()
    const used = new Compressor(coding)
    used.compress(event(1))
    used.close()
    used.close()
    expect(() => used.compress(event(2))).toThrow('closed')
    expect(() => compressor.compress(event(2))).toThrow('closed')
  })

  test('close() frees the memory, without a garbage collection', () => {
    // In a process of its own, whose memory nobody else uses; it keeps what it made, so that only close() can free.
    const script = `
      const { Compressor } = await import(${JSON.stringify(new URL('../../src/sse/compression.ts', import.meta.url).href)})
      const kept = []
      const round = () => {
        const made = Array.from({ length: 200 }, () => new Compressor(${JSON.stringify(coding)}))
        for (const each of made) each.compress(Buffer.from('data: 1\\n\\n'))
        const open = process.memoryUsage.rss()
        for (const each of made) each.close()
        kept.push(made)
        return open
      }
      const first = round()
      for (let rounds = 0; rounds < 8; rounds++) round()
      console.log(JSON.stringify({ first, last: round() }))`
    const output = execFileSync(process.execPath, [...process.execArgv, '--input-type=module', '-e', script])
    const { first, last } = JSON.parse(output.toString()) as { first: number; last: number }
    // Were it not freed, ten rounds of 200 would be ten times as much: 500 MB and more.
    expect(last - first).toBeLessThan(200 * 2 ** 20)
  })
})

test('gzip: the size is counted modulo 2^32', () => {
  const coded = new CodedBody('gzip')
  const end = coded.end('ab', { crc: 0, size: 2 ** 32 - 1 })
  expect(end.readUInt32LE(end.length - 4)).toBe(1)
})

describe('negotiation', () => {
  const all: ContentCoding[] = ['br', 'gzip']

  test.each<[string | undefined, ContentCoding[], ContentCoding | undefined]>([
    // Who says nothing may well decode nothing.
    [undefined, all, undefined],
    ['', all, undefined],
    ['  ', all, undefined],
    ['gzip', all, 'gzip'],
    ['br', all, 'br'],
    ['gzip, deflate, br', all, 'br'],
    ['gzip, deflate, br', ['gzip', 'br'], 'gzip'],
    ['gzip, deflate, br, zstd', ['gzip'], 'gzip'],
    ['GZIP', all, 'gzip'],
    ['Br;Q=1', all, 'br'],
    // Its own preference goes first.
    ['br;q=0.5, gzip', all, 'gzip'],
    ['br;q=0.5, gzip;q=0.5', all, 'br'],
    ['gzip ; q=0.8 , br ; q=0.9', ['gzip', 'br'], 'br'],
    ['gzip;q=0.001', all, 'gzip'],
    // Zero is a no.
    ['gzip;q=0', all, undefined],
    ['gzip;q=0, br;q=0.0', all, undefined],
    ['gzip;q=0, *', all, 'br'],
    ['br;q=0, *', all, 'gzip'],
    ['*', all, 'br'],
    ['*;q=0', all, undefined],
    ['*;q=0, gzip', all, 'gzip'],
    ['*;q=0.1, gzip', all, 'gzip'],
    ['identity', all, undefined],
    ['identity;q=0.5, gzip;q=0.4', all, undefined],
    ['identity;q=0.5, gzip', all, 'gzip'],
    ['identity, gzip', all, 'gzip'],
    ['identity;q=0', all, undefined],
    ['deflate, compress, unknown', all, undefined],
    ['gzip', ['br'], undefined],
    ['gzip', [], undefined],
    ['*', [], undefined],
    // Whatever a client may think of.
    ['gzip;q=', all, 'gzip'],
    ['gzip;q=abc', all, undefined],
    ['gzip;q=-1', all, undefined],
    ['__proto__, constructor;q=1, toString', all, undefined],
    [',,,;;;q==,"gzip', all, undefined],
  ])('%j of %j is %j', (accepted, offered, expected) => {
    expect(negotiateCoding(accepted, offered)).toBe(expected)
  })

  test('a header that is too long to mean anything is not parsed', () => {
    expect(negotiateCoding(`${'x,'.repeat(498)}gzip`, all)).toBe('gzip')
    expect(negotiateCoding(`${'x,'.repeat(499)}gzip`, all)).toBe(undefined)
  })

  test('whatever the header, it is answered with what was offered, or nothing', () => {
    const anything = fc.oneof(
      fc.string({ unit: 'binary' }),
      fc
        .array(
          fc.constantFrom(
            'gzip',
            'br',
            'zstd',
            '*',
            'identity',
            ';',
            'q=',
            '0',
            '1',
            '.5',
            ',',
            ' ',
            '"',
            '=',
          ),
        )
        .map((parts) => parts.join('')),
    )
    fc.assert(
      fc.property(anything, (accepted) => {
        expect(['br', 'gzip', undefined]).toContain(negotiateCoding(accepted, all))
      }),
      { numRuns: 2_000 },
    )
  })

  test('what this Node cannot make is not chosen', () => {
    const made = CONTENT_CODINGS.includes('zstd') ? 'zstd' : 'gzip'
    expect(negotiateCoding('zstd, gzip', ['zstd', 'gzip'])).toBe(made)
    expect(CONTENT_CODINGS.includes('zstd')).toBe('createZstdCompress' in zlib)
  })
})
