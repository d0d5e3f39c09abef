import Fastify from 'fastify'
import { describe, expect, test } from 'vitest'
import { packPiece, unpackPieces } from '../../src/executors/elsewhere/coded-frame.ts'
import { allocateCredit, Creditor, Debtor } from '../../src/executors/workers/credit.ts'
import { decodeError, encodeError } from '../../src/executors/elsewhere/error-transport.ts'
import { readLine, writeLine } from '../../src/executors/elsewhere/log.ts'
import { FrameKind } from '../../src/executors/elsewhere/frames.ts'
import {
  allocateRing,
  MIN_RING_BYTES,
  RingCorrupt,
  RingReader,
  RingWriter,
} from '../../src/executors/workers/ring.ts'
import { SteadyLog } from '../../src/runtime/steady-log.ts'
import { CLOSE_REASONS } from '../../src/sse/stream.ts'
import { Reading } from '../support/ring/frames.ts'
import { anyText } from './events-attempt.ts'
import { HOSTILE_ERRORS, HOSTILE_LINES } from '../support/hostile-frames.ts'
import { DATA_WORD, HEAD, TAIL } from '../support/ring/memory.ts'
import { type Dice, TIMEOUT, many, rounds } from '../support/random.ts'

const HEADER_BYTES = 12
const SIZE = MIN_RING_BYTES
const LONGEST = SIZE / 4 - HEADER_BYTES

/** Words that look like something: states, kinds, lengths, positions. */
function anyWord(random: Dice): number {
  switch (random(8)) {
    case 0:
      return (random(2 ** 28) << 4) | random(16)
    case 1:
      return -random(5)
    case 2:
      return random(12)
    case 3:
      return random(SIZE + 16)
    case 4:
      return (random(2_048) << 20) | random(LONGEST + 8)
    case 5:
      return 2 ** 31 - 1 - random(8)
    default:
      return random(64) * 4
  }
}

/** Drains as a thread's reader does. */
class Drain {
  readonly read = new Reading()
  corrupt = false
  readonly #reader: RingReader

  constructor(memory: SharedArrayBuffer) {
    this.#reader = new RingReader(memory)
  }

  /** Reads until the ring is empty, or found to be corrupt; at most what a ring can hold. */
  toEnd(random: Dice): void {
    const before = this.read.frames
    const mostFrames = SIZE / HEADER_BYTES + 1
    for (let turns = 0; !this.corrupt; turns++) {
      if (turns > mostFrames) throw new Error('a reader that does not come to an end')
      const budget = [1, 1_500, 5_000, Infinity][random(4)] as number
      const frames = this.read.frames
      try {
        const empty = this.#reader.drain(budget, this.read)
        if (empty && this.#reader.sleep()) break
      } catch (error) {
        if (!(error instanceof RingCorrupt)) throw error
        this.corrupt = true
      }
      // Each frame spends 1,024 bytes of the budget at least.
      if (this.read.frames - frames > Math.ceil(budget / 1_024)) throw new Error('over its budget')
    }
    if (this.read.frames - before > mostFrames) throw new Error('more than a ring can hold')
  }
}

describe('a ring of any words', () => {
  test(
    'is read to an end, or found to be corrupt, after the work of one ring at most',
    { timeout: TIMEOUT },
    async () => {
      let corrupt = 0
      let frames = 0
      const count = many(4_000, 200_000)
      await rounds(count, (random) => {
        const memory = allocateRing(SIZE, random(2 ** 28) * 4)
        const words = new Int32Array(memory)
        for (let word = DATA_WORD; word < words.length; word++) words[word] = anyWord(random)
        const drain = new Drain(memory)
        // Where nothing else is wrong, the head is where it may be.
        const ahead = random(4) === 0 ? anyWord(random) : random(SIZE / 4 + 1) * 4
        words[HEAD] = ((words[TAIL] as number) + ahead) | 0
        drain.toEnd(random)
        if (drain.corrupt) corrupt++
        frames += drain.read.frames
      })
      expect(corrupt).toBeGreaterThan(count / 2)
      // Some words do make a frame.
      expect(frames).toBeGreaterThan(count / 50)
    },
  )

  test('so is a ring in which bits have flipped, and then goes on', { timeout: TIMEOUT }, async () => {
    let corrupt = 0
    const count = many(4_000, 200_000)
    await rounds(count, (random) => {
      const memory = allocateRing(SIZE, random(2 ** 28) * 4)
      const words = new Int32Array(memory)
      const writer = new RingWriter(memory, () => {})
      const drain = new Drain(memory)
      const heads: number[] = []
      for (let frames = 1 + random(8); frames > 0; frames--) {
        const text = `${frames}${'-'.repeat(random(100))}`
        writer.writeText(random(3), text, text.length, 1)
        heads.push(words[HEAD] as number)
      }
      const start = ((words[TAIL] as number) >>> 0) % SIZE
      for (let flips = 1 + random(4); flips > 0; flips--) {
        const word =
          random(3) === 0
            ? ([0, 16, 32, 48][random(4)] as number)
            : DATA_WORD + (((start + random(400)) % SIZE) >> 2)
        words[word] = (words[word] as number) ^ (1 << random(32))
      }
      drain.toEnd(random)
      // What the writer stores next.
      words[HEAD] = heads.at(-1) as number
      drain.toEnd(random)
      if (drain.corrupt) corrupt++
    })
    expect(corrupt).toBeGreaterThan(count / 4)
  })
})

describe('is found to be corrupt at once', () => {
  const overwrite: [string, (words: Int32Array, head: number) => void][] = [
    ['HEAD beyond the ring', (words, head) => (words[HEAD] = head + SIZE + 4)],
    ['HEAD far behind', (words, head) => (words[HEAD] = head - 2 * 65_536)],
    ['HEAD at the other side of all numbers', (words, head) => (words[HEAD] = head ^ -(2 ** 31))],
    ['HEAD within a word', (words, head) => (words[HEAD] = head - 2)],
    ['TAIL further', (words) => (words[TAIL] = (words[TAIL] as number) + 4)],
    ['TAIL somewhere', (words) => (words[TAIL] = 12_345)],
    ['STATE negative', (words) => (words[DATA_WORD] = -5)],
    ['STATE taken already', (words) => (words[DATA_WORD] = -1)],
    ['STATE a wrap with nothing behind it', (words) => (words[DATA_WORD] = -2)],
    ['the length the largest', (words) => (words[DATA_WORD] = 2 ** 20 - 1)],
    ['the length one more than a frame may have', (words) => (words[DATA_WORD] = LONGEST + 1)],
    ['the kind 0', (words) => (words[DATA_WORD + 2] = 0)],
    ['the kind one more than there are', (words) => (words[DATA_WORD + 2] = FrameKind.LEFT_OPEN + 1)],
    ['the kind negative', (words) => (words[DATA_WORD + 2] = -1)],
  ]

  test.each(overwrite)('%s', (_, corrupt) => {
    const memory = allocateRing(SIZE)
    const reader = new RingReader(memory)
    new RingWriter(memory, () => {}).writeText(1, 'text', 4, 1)
    const words = new Int32Array(memory)
    corrupt(words, words[HEAD] as number)
    expect(() => reader.drain(Infinity, new Reading())).toThrow(RingCorrupt)
  })
})

/** Bytes that were right once. */
function mutated(random: Dice, bytes: Uint8Array): Buffer {
  const all = Buffer.concat([bytes, Buffer.alloc(random(3))]).subarray(random(2))
  for (let changes = random(4); changes > 0 && all.length > 0; changes--) {
    all[random(all.length)] = random(3) === 0 ? 0x22 : random(256)
  }
  return all.subarray(0, random(4) === 0 ? random(all.length + 1) : all.length)
}

function outcome<T>(call: () => T): { value: T } | { error: Error } {
  try {
    return { value: call() }
  } catch (error) {
    return { error: error as Error }
  }
}

/** With a name that is short. */
const named = (texts: readonly string[]): [string, string][] =>
  texts.map((text) => [text.length > 90 ? `${text.slice(0, 80)} and so on` : text, text])

describe('what a frame holds', () => {
  test('compressed pieces of any bytes are taken apart, or refused', { timeout: TIMEOUT }, async () => {
    let refused = 0
    await rounds(many(5_000, 200_000), (random) => {
      const pieces = Array.from({ length: 1 + random(3) }, () =>
        packPiece(Buffer.alloc(random(20), 'x'), { crc: random(2 ** 28), size: random(2 ** 28) }),
      )
      const frame = mutated(random, Buffer.concat(pieces))
      const { length } = frame
      const unpacked = outcome(() => unpackPieces(frame))
      const isRefused = 'error' in unpacked
      expect(isRefused ? unpacked.error instanceof RangeError : unpacked.value.blocks.length < length).toBe(
        true,
      )
      if (isRefused) refused++
    })
    expect(refused).toBeGreaterThan(many(500, 20_000))
  })

  test('errors of any bytes are told, or refused', { timeout: TIMEOUT }, async () => {
    let refused = 0
    await rounds(many(5_000, 200_000), (random) => {
      const error = Object.assign(new TypeError(anyText(random), { cause: new Error('deep') }), { code: 'E' })
      const bytes =
        random(4) === 0
          ? Buffer.from(HOSTILE_ERRORS[random(HOSTILE_ERRORS.length)] as string)
          : encodeError(random(3) === 0 ? anyText(random) : error)
      const told = outcome(() => decodeError(mutated(random, bytes)))
      if ('error' in told) refused++
      // A logger has to be able to read it.
      const {
        name,
        message,
        stack = '',
      } = 'value' in told && told.value instanceof Error ? told.value : error
      expect([typeof name, typeof message, typeof stack]).toEqual(['string', 'string', 'string'])
    })
    expect(refused).toBeGreaterThan(many(500, 20_000))
  })

  test.each(named(HOSTILE_ERRORS))('no error is made of %s', (_, text) => {
    expect(() => decodeError(Buffer.from(text))).toThrow(/^(no error|causes that are too deep)$|JSON/)
  })

  test('lines of any bytes are logged, or refused', { timeout: TIMEOUT }, async () => {
    const lines: string[] = []
    const { log } = Fastify({ logger: { level: 'trace', stream: { write: (line) => lines.push(line) } } })
    let refused = 0
    await rounds(many(5_000, 200_000), (random) => {
      const hostile = random(4) === 0
      const line = hostile
        ? (HOSTILE_LINES[random(HOSTILE_LINES.length)] as string)
        : JSON.stringify({ level: 'info', fields: { a: anyText(random) }, message: 'text' })
      const before = lines.length
      const read = outcome(() => readLine(mutated(random, Buffer.from(line))))
      if ('error' in read) {
        refused++
        return
      }
      writeLine(new SteadyLog(log), read.value)
      expect(lines.length).toBe(before + 1)
    })
    expect(refused).toBeGreaterThan(many(500, 20_000))
    for (const line of lines) expect(JSON.parse(line)).toHaveProperty('level')
    expect({}).not.toHaveProperty('polluted')
  })
})

test('any words of credit mean something to both sides', { timeout: TIMEOUT }, async () => {
  await rounds(many(2_000, 100_000), (random) => {
    const memory = allocateCredit(2)
    const words = new Int32Array(memory)
    const creditor = new Creditor(memory, 1)
    const debtor = new Debtor(memory, 1)
    for (let word = 0; word < words.length; word++) words[word] = anyWord(random)
    expect(typeof debtor.closed).toBe('boolean')
    expect(debtor.reason).toBeOneOf([undefined, ...CLOSE_REASONS])
    expect(Number.isInteger(debtor.owed)).toBe(true)
    debtor.askForMessage()
    expect(debtor.waitUntil(() => false, 0)).toBe(false)
    const other = [...words.subarray(0, words.length / 2)]
    // Whoever asked is told; who is told too often looks, and waits again.
    expect(creditor.drained(random(2 ** 28))).toBe(true)
    expect(typeof creditor.close('client')).toBe('boolean')
    expect(debtor.reason).toBe('client')
    expect([...words.subarray(0, words.length / 2)]).toEqual(other)
  })
})
