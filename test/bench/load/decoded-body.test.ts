import zlib from 'node:zlib'
import { expect, test } from 'vitest'
import { DecodedBody, knowsCoding, type Coding } from '../../../bench/load/decoded-body.ts'
import { EventScanner } from '../../../profiler/client/event-scanner.ts'

const { zstdCompressSync } = zlib as unknown as { zstdCompressSync: (text: Buffer) => Buffer }
const ENCODERS: Record<Coding, (text: Buffer) => Buffer> = {
  gzip: zlib.gzipSync,
  br: zlib.brotliCompressSync,
  zstd: (text) => zstdCompressSync(text),
}
const CODINGS = (Object.keys(ENCODERS) as Coding[]).filter(knowsCoding)
const TEXT = Buffer.from(Array.from({ length: 1_000 }, (_, number) => `data: ${number} of many\n\n`).join(''))

/** Decodes pieces, of which the buffer is used again for the next. */
async function decode(coding: Coding, coded: Buffer, pieceBytes: number): Promise<EventScanner> {
  const scanner = new EventScanner()
  let told = 0
  await new Promise<void>((resolve, reject) => {
    const body = new DecodedBody(coding, scanner, {
      decoded() {
        expect(scanner.events).toBeGreaterThanOrEqual(told)
        told = scanner.events
      },
      ended: (error) => (error === undefined ? resolve() : reject(error)),
    })
    const shared = Buffer.alloc(pieceBytes)
    for (let at = 0; at < coded.length; at += pieceBytes) {
      const length = coded.copy(shared, 0, at, at + pieceBytes)
      body.scan(shared, 0, length)
    }
    body.end()
  })
  expect(told).toBe(scanner.events)
  return scanner
}

test.each(CODINGS.flatMap((coding) => [1, 100, 100_000].map((bytes) => [coding, bytes] as const)))(
  '%s in pieces of %i bytes decodes to all events',
  async (coding, bytes) => {
    const scanner = await decode(coding, ENCODERS[coding](TEXT), bytes)
    expect(scanner).toMatchObject({ events: 1_000, bytes: TEXT.length, inSequence: true })
  },
)

/** The decoder of Node 22 takes zstd that is cut off for whole. */
const takesAnyEnd = (coding: Coding): boolean => coding === 'zstd' && process.versions.node.startsWith('22.')

test.each(CODINGS.filter((coding) => !takesAnyEnd(coding)))(
  '%s that is cut off is an error',
  async (coding) => {
    const coded = ENCODERS[coding](TEXT)
    await expect(decode(coding, coded.subarray(0, -5), 100)).rejects.toThrow('unexpected end of file')
  },
)

test.each(CODINGS)('what is not %s is an error', async (coding) => {
  const plain = Buffer.from('data: 0 this is plain text\n\n'.repeat(9))
  await expect(decode(coding, plain, 100)).rejects.toThrow(/header check|failed|descriptor|end of file/i)
})
