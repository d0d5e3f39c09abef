import zlib from 'node:zlib'
import { describe, expect, test } from 'vitest'
import { allocateCredit, Debtor } from '../../src/executors/workers/credit.ts'
import { RingSink } from '../../src/executors/workers/ring-sink.ts'
import { FrameKind } from '../../src/executors/elsewhere/frames.ts'
import { allocateRing, MAX_RING_BYTES, RingReader, RingWriter } from '../../src/executors/workers/ring.ts'
import { CodedBody, CONTENT_CODINGS, Compressor, type ContentCoding } from '../../src/sse/compression.ts'
import type { Sink } from '../../src/sse/sink.ts'
import { EventStream, type StreamContext, type StreamLog } from '../../src/sse/stream.ts'
import { DecodingClient } from '../support/decoding-client.ts'
import { Testbed } from '../support/testbed.ts'
import { anyAttempt, anyText, send, type Step } from './events-attempt.ts'
import { manyAttempts } from './events-producers.ts'
import { expectSteps } from './events-reading.ts'
import { LONG, SEED, TIMEOUT, many, diceOf, rounds } from '../support/random.ts'
import { EXECUTORS } from '../support/executors.ts'

/** What carries a stream's bytes from its producer. */
interface Carrier {
  readonly sink: Sink
  /** All that was written since the last call. */
  take(): Buffer
}

/** As on the server's thread: text. */
function textCarrier(): Carrier {
  let text = ''
  const sink: Sink = {
    closed: false,
    write: (chunk) => Boolean((text += String(chunk))),
    ready: async () => true,
    end() {},
  }
  const take = (): Buffer => {
    const bytes = Buffer.from(text)
    text = ''
    return bytes
  }
  return { sink, take }
}

/** As on a worker: a ring, which has a faster way for events of one line. */
function ringCarrier(): Carrier {
  const memory = allocateRing(MAX_RING_BYTES)
  const reader = new RingReader(memory)
  const writer = new RingWriter(memory, () => {})
  const limits = { highWaterMark: Infinity, blockOver: undefined }
  const sink = new RingSink(writer, 7, new Debtor(allocateCredit(1), 0), limits)
  const take = (): Buffer => {
    const pieces: Uint8Array[] = []
    reader.drain(Infinity, {
      data: (_stream, bytes) => pieces.push(bytes),
      control: (_stream, kind, payload) => {
        expect(kind).toBe(FrameKind.PART)
        pieces.push(Uint8Array.from(payload))
      },
    })
    return Buffer.concat(pieces)
  }
  return { sink, take }
}

const streamOf = ({ sink }: Carrier): EventStream =>
  new EventStream(sink, { context: {} as StreamContext, log: {} as StreamLog })

const DECODE: Readonly<Record<ContentCoding, (bytes: Buffer) => Buffer>> = {
  gzip: zlib.gunzipSync,
  br: zlib.brotliDecompressSync,
  zstd: (bytes) =>
    (zlib as unknown as { zstdDecompressSync: (bytes: Buffer) => Buffer }).zstdDecompressSync(bytes),
}

describe.each([
  { name: 'as text', carrier: textCarrier },
  { name: 'through a ring', carrier: ringCarrier },
])('events of every shape, $name', ({ carrier: makeCarrier }) => {
  const count = many(10_000, 500_000)

  test(
    `${count} of them arrive as they were sent, wherever the bytes are cut; what is no event is refused with a code`,
    { timeout: TIMEOUT },
    async () => {
      const carrier = makeCarrier()
      const stream = streamOf(carrier)
      let attempts = 0
      let sent = 0
      let cuts = 0
      const most = 4
      await rounds(Math.ceil((count * 2) / (most + 1)), (random) => {
        const due: Step[] = []
        for (let left = 1 + random(most); left > 0; left--) {
          const steps = send(stream, anyAttempt(random))
          attempts++
          if (steps.length > 0) sent++
          due.push(...steps)
          expect(stream.closed).toBe(false)
        }
        const bytes = carrier.take()
        for (let at = 0; at <= bytes.length; at++) expectSteps(bytes, due, at)
        expectSteps(bytes, due, ...bytes.keys())
        cuts += bytes.length + 1
      })
      if (LONG) console.log(`${attempts} attempts, ${sent} of them sent, cut at ${cuts} places; seed ${SEED}`)
      expect(attempts).toBeGreaterThan(count * 0.9)
      expect(sent).toBeGreaterThan(attempts / 2)
    },
  )

  test('huge ones too, cut at random', { timeout: TIMEOUT }, async () => {
    const carrier = makeCarrier()
    const stream = streamOf(carrier)
    let most = 0
    await rounds(many(12, 200), (random, round) => {
      let data = anyText(random, 40)
      while (data.length < 2 ** (10 + (round % 10))) data += data + anyText(random)
      const due = send(stream, {
        event: { data, id: round },
        steps: [
          {
            kind: 'event',
            data: Buffer.from(data)
              .toString()
              .replaceAll(/\r\n|\r/g, '\n'),
            event: undefined,
            id: String(round),
          },
        ],
        codes: [],
      })
      const bytes = carrier.take()
      most = Math.max(most, bytes.length)
      for (let n = 0; n < 5; n++) {
        const cuts = Array.from({ length: 1 + random(60) }, () => random(bytes.length + 1))
        expectSteps(bytes, due, ...cuts.toSorted((a, b) => a - b))
      }
    })
    expect(most).toBeGreaterThan(2 ** 19)
  })
})

test.each(CONTENT_CODINGS)(
  'events of every shape, compressed as %s, decode to what was sent',
  async (coding) => {
    const carrier = textCarrier()
    const stream = streamOf(carrier)
    let steps = 0
    await rounds(many(40, 2_000), (random) => {
      const body = new CodedBody(coding)
      const compressor = new Compressor(coding)
      const due: Step[] = []
      const blocks: Uint8Array[] = [body.prefix()]
      for (let left = random(60); left > 0; left--) {
        due.push(...send(stream, anyAttempt(random)))
        blocks.push(compressor.compress(carrier.take()))
        if (random(8) === 0) blocks.push(body.empty)
      }
      const end = body.end(': the end\n', compressor.checksum)
      compressor.close()
      due.push({ kind: 'comment', text: 'the end' })
      expectSteps(DECODE[coding](Buffer.concat([...blocks, end])), due)
      steps += due.length
    })
    expect(steps).toBeGreaterThan(many(40, 2_000) * 10)
  },
)

describe.each(EXECUTORS)('from a server, on executor %s', (executor) => {
  test.each([undefined, ...CONTENT_CODINGS])(
    'events of every shape arrive as they were sent (content coding: %s)',
    async (coding) => {
      const testbed = await Testbed.make({ executor, compress: coding !== undefined, maxBuffered: 2 ** 28 })
      testbed.app.get('/', { sse: true }, async (_, reply) =>
        reply.sse(manyAttempts, { seed: SEED, count: many(400, 20_000) }),
      )
      const due: Step[] = []
      const carrier = textCarrier()
      const stream = streamOf(carrier)
      const random = diceOf(0)
      for (let n = 0; n < many(400, 20_000); n++) due.push(...send(stream, anyAttempt(random)))
      const client = await DecodingClient.open(testbed, '/', coding === undefined ? {} : { accept: coding })
      expect(client.coding).toBe(coding)
      expectSteps(Buffer.from(await client.over()), due)
      expect(await testbed.closeInfo()).toMatchObject({ reason: 'ended' })
      expect(testbed.logged).toEqual([])
    },
  )
})
