import { once } from 'node:events'
import { MessageChannel } from 'node:worker_threads'
import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { FrameKind } from '../../../src/executors/elsewhere/frames.ts'
import {
  allocateRing,
  LINE_FRAME_BYTES,
  MAX_RING_BYTES,
  MIN_RING_BYTES,
  RingCorrupt,
  RingReader,
  RingWriter,
} from '../../../src/executors/workers/ring.ts'
import { Reading, SoakReading, writeFrame, type Frame, type Soak } from '../../support/ring/frames.ts'
import type { Order } from './ring-writer.ts'
import { allocateTurns, READER, resetTurns, Turns } from '../../support/ring/interleaving.ts'
import { dice } from '../../support/random.ts'
import { otherThread } from '../../support/ring/worker.ts'

/** Of the ring's memory, as ring.ts describes it: word indices, and bytes. */
const HEAD = 0
const TAIL = 16
const CONTROL_BYTES = 256
const HEADER_BYTES = 12
const LENGTH_MASK = 2 ** 20 - 1
const WRAP = -2

const aligned = (length: number): number => (length + 3) & ~3
const longestOf = (size: number): number => size / 4 - HEADER_BYTES

/** Bytes before 2^32, where the ring's positions begin, so that they wrap during the test. */
const beforeWrap = fc.integer({ min: 0, max: 4_096 }).map((words) => 2 ** 32 - words * 4)
const position = fc.oneof(fc.constant(0), beforeWrap, fc.constant(2 ** 31 - 64))

const controlKind = fc.constantFrom(FrameKind.START, FrameKind.CLOSE, FrameKind.DONE, FrameKind.ERROR)

function frame(size: number): fc.Arbitrary<Frame> {
  const stream = fc.integer({ min: 1, max: 4 })
  const longest = longestOf(size)
  const text = fc.oneof(
    { weight: 4, arbitrary: fc.string({ unit: 'binary', maxLength: 40 }) },
    {
      weight: 2,
      arbitrary: fc.integer({ min: 0, max: longest }).map((length) => 'x'.repeat(length)),
    },
    // At the longest frame, and over it.
    {
      weight: 1,
      arbitrary: fc.integer({ min: longest - 4, max: longest + 4 }).map((length) => 'y'.repeat(length)),
    },
    { weight: 1, arbitrary: fc.integer({ min: 0, max: longest }).map((length) => '€'.repeat(length)) },
  )
  return fc.oneof(
    {
      weight: 6,
      arbitrary: fc.record({
        stream,
        kind: fc.constant(FrameKind.DATA),
        text,
        events: fc.constantFrom(0, 1, 1, 1, 700),
      }),
    },
    {
      weight: 1,
      arbitrary: fc.record({
        stream,
        kind: controlKind,
        text: fc.string({ maxLength: 100 }),
        events: fc.constant(0),
      }),
    },
  )
}

/** A frame to write, or a budget to drain with: of one frame, of some, of all. */
const action = (size: number): fc.Arbitrary<Frame | number> =>
  fc.oneof(
    { weight: 3, arbitrary: frame(size) },
    { weight: 2, arbitrary: fc.constantFrom(1, 1_500, 5_000, Infinity) },
  )

/** One thread writes and reads: never more is written than there is room for. */
class Loop {
  readonly writer: RingWriter
  readonly reader: RingReader
  readonly #words: Int32Array
  readonly #size: number
  bells = 0

  constructor(memory: SharedArrayBuffer) {
    this.writer = new RingWriter(memory, () => this.bells++)
    this.reader = new RingReader(memory)
    this.#words = new Int32Array(memory)
    this.#size = memory.byteLength - CONTROL_BYTES
  }

  /** True when `frame` can be written without waiting. */
  fits({ text }: Frame): boolean {
    const length = Buffer.byteLength(text)
    const longest = longestOf(this.#size)
    const head = this.#end()
    const room = this.#size - ((head - (this.#words[TAIL] as number)) | 0)
    const rest = this.#size - ((head >>> 0) % this.#size)
    const needed =
      Math.floor(length / longest) * (HEADER_BYTES + longest) + HEADER_BYTES + aligned(length % longest)
    return room >= (needed > rest ? needed + Math.min(rest, HEADER_BYTES + longest) : needed)
  }

  /** Where the last frame ends: `HEAD` does not tell what was appended to it. */
  #end(): number {
    let at = this.#words[TAIL] as number
    while ((((this.#words[HEAD] as number) - at) | 0) > 0) {
      const start = (at >>> 0) % this.#size
      const state = this.#words[(CONTROL_BYTES + start) / 4] as number
      at = (at + (state === WRAP ? this.#size - start : HEADER_BYTES + aligned(state & LENGTH_MASK))) | 0
    }
    return at
  }
}

describe('what is read is what was written', () => {
  test.each([MIN_RING_BYTES, 16_384])('for any frames and any budgets, in a ring of %d bytes', (size) => {
    fc.assert(
      fc.property(fc.array(action(size), { maxLength: 120 }), position, (actions, start) => {
        const loop = new Loop(allocateRing(size, start))
        const expected = new Reading()
        const read = new Reading()
        for (const each of actions) {
          if (typeof each === 'number') {
            loop.reader.drain(each, read)
            continue
          }
          while (!loop.fits(each) && !loop.reader.drain(1, read));
          if (!loop.fits(each)) continue
          expected.expect(each)
          writeFrame(loop.writer, each)
        }
        expect(loop.reader.drain(Infinity, read)).toBe(true)
        expect(read.streams).toEqual(expected.streams)
        expect(read.events).toBe(expected.events)
        expect(loop.reader.sleep()).toBe(true)
      }),
      { numRuns: 400 },
    )
  })

  test('in the largest ring, with the longest frames', () => {
    const loop = new Loop(allocateRing(MAX_RING_BYTES, 2 ** 32 - 4))
    const expected = new Reading()
    const read = new Reading()
    for (let i = 0; i < 12; i++) {
      const each: Frame = {
        stream: i % 2,
        kind: FrameKind.DATA,
        text: String.fromCharCode(97 + i).repeat(longestOf(MAX_RING_BYTES) - (i % 5)),
        events: 1,
      }
      while (!loop.fits(each)) loop.reader.drain(1, read)
      expected.expect(each)
      writeFrame(loop.writer, each)
    }
    loop.reader.drain(Infinity, read)
    expect(read.streams).toEqual(expected.streams)
    expect(read.events).toBe(12)
  })

  test('events of one stream that the reader has not begun are read in one piece', () => {
    const loop = new Loop(allocateRing(MIN_RING_BYTES))
    const read = new Reading()
    for (const text of ['a', 'bb', 'ccc'])
      writeFrame(loop.writer, { stream: 1, kind: FrameKind.DATA, text, events: 1 })
    writeFrame(loop.writer, { stream: 2, kind: FrameKind.DATA, text: 'd', events: 1 })
    writeFrame(loop.writer, { stream: 1, kind: FrameKind.DATA, text: 'e', events: 1 })
    loop.reader.drain(Infinity, read)
    expect(read).toMatchObject({ frames: 3, events: 5, streams: { 1: 'abbccce', 2: 'd' } })
  })

  test('nothing is appended behind a control frame', () => {
    const loop = new Loop(allocateRing(MIN_RING_BYTES))
    const read = new Reading()
    const data = { stream: 1, kind: FrameKind.DATA, text: 'a', events: 1 }
    for (const each of [data, { stream: 1, kind: FrameKind.CLOSE, text: '', events: 0 }, data])
      writeFrame(loop.writer, each)
    loop.reader.drain(Infinity, read)
    expect(read.streams).toEqual({ 1: `a\0${String.fromCharCode(FrameKind.CLOSE)}a` })
  })

  test('a control frame that is too long is refused', () => {
    const loop = new Loop(allocateRing(MIN_RING_BYTES))
    expect(() =>
      loop.writer.write(1, FrameKind.ERROR, new Uint8Array(longestOf(MIN_RING_BYTES) + 1)),
    ).toThrow(new RangeError('a frame of 1013 bytes'))
  })

  test('a line is framed as an event, at the start of a frame, behind another, and in pieces', () => {
    const loop = new Loop(allocateRing(MIN_RING_BYTES))
    const read = new Reading()
    const lines = ['first', '', 'größe 中 😀', 'x'.repeat(1_500), 'é'.repeat(500), 'last']
    for (const line of lines) {
      loop.writer.writeText(1, line, Buffer.byteLength(line) + LINE_FRAME_BYTES, 1, true)
    }
    loop.reader.drain(Infinity, read)
    const events = lines.map((line) => Buffer.from(`data: ${line}\n\n`).toString('latin1'))
    expect(read.streams).toEqual({ 1: events.join('') })
    expect(read.events).toBe(6)
  })

  test('compressed pieces join, in frames that say so, and pass in parts where they are long', () => {
    const loop = new Loop(allocateRing(16_384))
    const read: [what: string, coded: boolean | undefined, events: number][] = []
    const long = 'L'.repeat(longestOf(16_384))
    for (const piece of ['a', 'b', long, `${long}!`, 'c']) {
      loop.writer.writeCoded(1, Buffer.from(piece), 1)
      if (piece === 'b') loop.writer.writeText(1, 'plain', 5, 1)
    }
    loop.reader.drain(Infinity, {
      data: (_, bytes, events, coded) => read.push([bytes.toString(), coded, events]),
      control: (_, kind, payload) => {
        expect(kind).toBe(FrameKind.PART)
        read.push([Buffer.from(payload).toString(), undefined, 0])
      },
    })
    expect(read).toEqual([
      ['ab', true, 2],
      ['plain', false, 1],
      [long, true, 1],
      [long, undefined, 0],
      ['!', true, 1],
      ['c', true, 1],
    ])
  })

  test('as many events join as a frame can count', () => {
    const loop = new Loop(allocateRing(MIN_RING_BYTES))
    const counts: number[] = []
    for (const events of [2_046, 1, 1, 2_047, 700, 700, 700]) loop.writer.writeText(1, 'x', 1, events)
    loop.reader.drain(Infinity, {
      data: (_, __, events) => counts.push(events),
      control: () => expect.unreachable('a frame of control'),
    })
    expect(counts).toEqual([2_047, 1, 2_047, 1_400, 700])
  })

  test('the largest ring is of 4 MiB', () => {
    expect(MAX_RING_BYTES).toBe(2 ** 22)
  })
})

describe('a budget', () => {
  test('of each frame counts its bytes, and 1,024 more', () => {
    const loop = new Loop(allocateRing(65_536))
    const read = new Reading()
    const drained = (budget: number): [frames: number, isAll: boolean] => {
      const before = read.frames
      const isAll = loop.reader.drain(budget, read)
      return [read.frames - before, isAll]
    }
    for (let frames = 0; frames < 12; frames++) loop.writer.write(1, FrameKind.LOG, Buffer.alloc(1_000))
    expect(drained(0)).toEqual([0, false])
    expect(drained(1)).toEqual([1, false])
    expect(drained(2 * 2_024)).toEqual([2, false])
    expect(drained(2 * 2_024 + 1)).toEqual([3, false])
    expect(drained(5 * 2_024)).toEqual([5, false])
    expect(drained(2_024)).toEqual([1, true])
    expect(drained(0)).toEqual([0, true])
  })

  test('is also of the places that are skipped at the end of the ring', () => {
    const loop = new Loop(allocateRing(MIN_RING_BYTES))
    const write = (length: number): void => loop.writer.write(1, FrameKind.LOG, Buffer.alloc(length))
    for (const length of [1_000, 1_000, 1_000]) write(length)
    loop.reader.drain(Infinity, new Reading())
    write(900)
    // Does not fit behind it.
    write(900)
    const read = new Reading()
    expect(loop.reader.drain(1_924 + 1, read)).toBe(false)
    expect(read.frames).toBe(1)
    expect(loop.reader.drain(1_924, read)).toBe(true)
    expect(read.frames).toBe(2)
  })
})

describe('the doorbell', () => {
  const data = { stream: 1, kind: FrameKind.DATA, text: 'a', events: 1 }

  test('rings once for a reader that sleeps, and not at all for one that is awake', () => {
    const loop = new Loop(allocateRing(MIN_RING_BYTES))
    const read = new Reading()
    writeFrame(loop.writer, data)
    expect(loop.bells).toBe(0)
    loop.reader.drain(Infinity, read)
    expect(loop.reader.sleep()).toBe(true)
    writeFrame(loop.writer, data)
    writeFrame(loop.writer, data)
    expect(loop.bells).toBe(1)
  })

  test('rings for a reader that rests once much waits for it, and no sooner', () => {
    const loop = new Loop(allocateRing(MAX_RING_BYTES))
    expect(loop.reader.rest()).toBe(true)
    const long = { ...data, text: 'a'.repeat(1_000) }
    for (let bytes = 0; bytes < 31_000; bytes += 1_000) writeFrame(loop.writer, long)
    expect(loop.bells).toBe(0)
    for (let bytes = 0; bytes < 2_000; bytes += 1_000) writeFrame(loop.writer, long)
    expect(loop.bells).toBe(1)
    // It is awake now.
    for (let bytes = 0; bytes < 20_000; bytes += 1_000) writeFrame(loop.writer, long)
    expect(loop.bells).toBe(1)
  })

  test('rings after 32 KiB that waits in frames of its own, and once more after as much again', () => {
    const loop = new Loop(allocateRing(MAX_RING_BYTES))
    const read = new Reading()
    // With its header 1 KiB, and joined with nothing.
    const write = (frames: number): number => {
      for (let each = 0; each < frames; each++) {
        loop.writer.write(1, FrameKind.LOG, Buffer.alloc(1_024 - HEADER_BYTES))
      }
      return loop.bells
    }
    expect(loop.reader.rest()).toBe(true)
    expect(write(31)).toBe(0)
    expect(write(1)).toBe(1)
    // It has taken it all, and rests again: what was read is no longer behind.
    loop.reader.drain(Infinity, read)
    expect(loop.reader.rest()).toBe(true)
    expect(write(31)).toBe(1)
    loop.reader.wake()
    loop.reader.drain(Infinity, read)
    expect(loop.reader.rest()).toBe(true)
    // The writer knows that only after it has looked where the reader is.
    expect(write(31)).toBe(1)
    expect(write(1)).toBe(2)
  })

  test('rings for a reader that rests when its writer is about to wait', () => {
    const loop = new Loop(allocateRing(MIN_RING_BYTES))
    writeFrame(loop.writer, data)
    expect(loop.reader.rest()).toBe(true)
    loop.writer.hurry()
    loop.writer.hurry()
    expect(loop.bells).toBe(1)
  })

  test('a reader does not rest before it has looked once more for a writer that waits', () => {
    const loop = new Loop(allocateRing(MIN_RING_BYTES))
    loop.writer.hurry()
    expect(loop.reader.rest()).toBe(false)
    expect(loop.reader.rest()).toBe(true)
    expect(loop.bells).toBe(0)
  })

  test('a reader to whom something has come does not fall asleep', () => {
    const loop = new Loop(allocateRing(MIN_RING_BYTES))
    writeFrame(loop.writer, data)
    expect(loop.reader.sleep()).toBe(false)
    writeFrame(loop.writer, data)
    expect(loop.bells).toBe(0)
  })
})

describe('a corrupt ring', () => {
  const size = MIN_RING_BYTES
  const words = (CONTROL_BYTES + size) / 4
  const wild = fc.oneof(
    fc.integer(),
    fc.constantFrom(-1, -2, 0, 2 ** 20 - 1, -(2 ** 31), 2 ** 31 - 1),
    fc.integer({ min: 0, max: size }),
  )

  test('ends in RingCorrupt or in an end, after the work of one ring at most', () => {
    fc.assert(
      fc.property(
        fc.array(frame(size), { maxLength: 30 }),
        fc.array(
          fc.tuple(
            fc.oneof(fc.integer({ min: 0, max: words - 1 }), fc.constantFrom(HEAD, TAIL, 64, 67)),
            wild,
          ),
          {
            minLength: 1,
            maxLength: 40,
          },
        ),
        position,
        (frames, overwritten, start) => {
          const memory = allocateRing(size, start)
          const loop = new Loop(memory)
          for (const each of frames) if (loop.fits(each)) writeFrame(loop.writer, each)
          for (const [word, value] of overwritten) new Int32Array(memory)[word] = value
          const read = new Reading()
          try {
            loop.reader.drain(Infinity, read)
          } catch (error) {
            if (!(error instanceof RingCorrupt)) throw error
          }
          // The last frame may be a longer one than it was.
          expect(read.bytes + read.frames * HEADER_BYTES).toBeLessThanOrEqual(size * 2)
        },
      ),
      { numRuns: 2_000 },
    )
  })

  test('a wrap with nothing behind it is corrupt', () => {
    const memory = allocateRing(size)
    const loop = new Loop(memory)
    writeFrame(loop.writer, { stream: 1, kind: FrameKind.DATA, text: 'a', events: 1 })
    const state = CONTROL_BYTES / 4
    Object.assign(new Int32Array(memory), { [state]: WRAP })
    expect(() => loop.reader.drain(Infinity, new Reading())).toThrow(RingCorrupt)
    // What it skips is all that there is.
    Object.assign(new Int32Array(memory), { [state]: WRAP, [HEAD]: size })
    expect(() => loop.reader.drain(Infinity, new Reading())).toThrow(`state ${WRAP}`)
  })
})

describe('a word that makes no sense', () => {
  const size = 2 ** 19
  const STATE = CONTROL_BYTES / 4
  const KIND = STATE + 2
  const frames = 3

  /** What comes of a ring of three frames of 100 bytes, some words of which are written over. */
  function outcome(values: Record<number, number>): string {
    const memory = allocateRing(size)
    const loop = new Loop(memory)
    for (let each = 0; each < frames; each++) loop.writer.write(1, FrameKind.LOG, Buffer.alloc(100))
    Object.assign(new Int32Array(memory), values)
    const read = new Reading()
    try {
      loop.reader.drain(Infinity, read)
    } catch (error) {
      if (!(error instanceof RingCorrupt)) throw error
      return `${error.message} (${read.frames})`
    }
    return `${read.frames} frames`
  }

  test.each<[what: string, word: number, value: number, expected: string]>([
    ['the tail', TAIL, 112, 'the tail has moved (0)'],
    ['a head that is behind by more than a batch', HEAD, -65_540, '-65540 bytes (0)'],
    ['a head that is behind by a batch', HEAD, -65_536, '0 frames'],
    ['a head that is beyond the ring', HEAD, size + 4, `${size + 4} bytes (0)`],
    ['a head within a word', HEAD, 114, '114 bytes (0)'],
    ['a state that is taken', STATE, -1, 'state -1, kind 7, 336 bytes (0)'],
    ['a state below zero', STATE, -(2 ** 31) + 100, 'state -2147483548, kind 7, 336 bytes (0)'],
    [
      'a frame longer than any',
      STATE,
      longestOf(size) + 1,
      `state ${longestOf(size) + 1}, kind 7, 336 bytes (0)`,
    ],
    ['a frame longer than what is there, and a batch', STATE, 65_861, 'state 65861, kind 7, 336 bytes (0)'],
    ['a frame longer than what is there by a batch', STATE, 65_860, '1 frames'],
    ['no kind', KIND, 0, 'state 100, kind 0, 336 bytes (0)'],
    ['a kind beyond the last', KIND, 10, 'state 100, kind 10, 336 bytes (0)'],
  ])('%s', (_, word, value, expected) => {
    expect(outcome({ [word]: value })).toBe(expected)
  })

  test('a frame longer than any, where so much is there', () => {
    const length = longestOf(size) + 1
    expect(outcome({ [STATE]: length, [HEAD]: 2 * length + 2 })).toMatch(`state ${length}, kind 7`)
  })

  test('a frame that would end beyond the ring', () => {
    const memory = allocateRing(MIN_RING_BYTES)
    const loop = new Loop(memory)
    for (const length of [1_000, 1_000, 1_000, 900, 100]) {
      if (length === 900) loop.reader.drain(Infinity, new Reading())
      loop.writer.write(1, FrameKind.LOG, Buffer.alloc(length))
    }
    new Int32Array(memory)[STATE + (3 * 1_012 + 912) / 4] = 1_012
    expect(() => loop.reader.drain(Infinity, new Reading())).toThrow(
      new RingCorrupt('state 1012, kind 7, 112 bytes'),
    )
  })
})

/** Of what is tried by the million or the thousand; fewer under mutation testing, where the code is slower by far. */
const MANY = process.env['MUTATION_TESTS'] === undefined ? 1_000 : 50

describe('two threads', () => {
  const writer = otherThread(new URL('./ring-writer.ts', import.meta.url))

  /** Reads as the server's thread does: sleeps until the bell, then drains turn by turn. */
  async function soak(
    soaked: Soak,
    size: number,
    budget: number,
  ): Promise<{ reading: SoakReading; bells: number }> {
    const ring = allocateRing(size, 2 ** 32 - 2 ** 20)
    const { port1: bell, port2 } = new MessageChannel()
    const reader = new RingReader(ring)
    const reading = new SoakReading(soaked)
    let bells = 0
    let planned = false
    let failed: unknown
    const turn = (): void => {
      planned = false
      try {
        if (reader.drain(budget, reading) && reader.sleep()) return
      } catch (error) {
        failed = error
        bell.close()
        return
      }
      planned = true
      setImmediate(turn)
    }
    bell.on('message', () => {
      bells++
      if (!planned) turn()
    })
    turn()
    writer().postMessage({ soak: soaked, ring, bell: port2 } satisfies Order, [port2])
    // The writer closes it when all is written, after its last ring.
    await once(bell, 'close')
    if (failed !== undefined) throw failed
    while (!reader.drain(Infinity, reading));
    return { reading, bells }
  }

  test('millions of events of several streams arrive whole, once and in order', async () => {
    const count = MANY * 2_000
    const { reading, bells } = await soak({ seed: 7, count, streams: 5, longest: 60 }, 1_048_576, 131_072)
    expect(reading).toMatchObject({ events: count, done: 5 })
    expect(bells).toBeLessThan(count)
  })

  test('a ring that is full again and again only makes the writer wait', async () => {
    const count = MANY * 300
    const { reading } = await soak({ seed: 8, count, streams: 3, longest: 900 }, MIN_RING_BYTES, 4_096)
    expect(reading).toMatchObject({ events: count, done: 3 })
  })

  test('events larger than the ring pass in pieces', async () => {
    const count = MANY * 5
    const { reading } = await soak({ seed: 9, count, streams: 3, longest: 8_000 }, MIN_RING_BYTES, 131_072)
    expect(reading).toMatchObject({ events: count, done: 3 })
  })

  test('under no interleaving of their atomic accesses a frame is lost, or a wake-up', () => {
    const turnsMemory = allocateTurns()
    const turns = new Turns(turnsMemory, READER)
    for (let seed = 1; seed <= Math.max(MANY * 4, 500); seed++) {
      const random = dice(Math.imul(seed, 0x9e3779b1))
      const lengths = [
        [8, 40],
        [100, 1_012],
        [1_000, 1_012],
        [1, 2_500],
      ][random(4)] as [number, number]
      const frames = Array.from({ length: 4 + random(16) }, (_, number): Frame => {
        if (random(8) === 0) return { stream: random(3), kind: FrameKind.START, text: `${number}`, events: 0 }
        const text = `${number}${'-'.repeat(lengths[0] + random(lengths[1] - lengths[0]))}`
        return { stream: random(3), kind: FrameKind.DATA, text, events: 1 }
      })
      const expected = new Reading()
      for (const each of frames) expected.expect(each)
      const ring = allocateRing(MIN_RING_BYTES, 2 ** 32 - random(1_024) * 4)
      resetTurns(turnsMemory, random(2 ** 28), [3, 15, 40, 70][random(4)] as number)
      writer().postMessage({ frames, ring, turns: turnsMemory } satisfies Order, [])
      const read = new Reading()
      const budgets = [1, 1_500, Infinity]
      try {
        turns.play(ring, () => {
          const reader = new RingReader(ring)
          for (;;) {
            const empty = reader.drain(budgets[random(3)] as number, read)
            if (read.frames > 0 && read.bytes === expected.bytes && read.events === expected.events) break
            if (!empty) continue
            // A reader that rests comes back by itself, unless the writer waits for it and must ring.
            if (random(2) === 0 && reader.rest()) reader.wake()
            else if (reader.sleep()) turns.awaitBell()
          }
        })
        expect(read.streams).toEqual(expected.streams)
        expect(read.events).toBe(expected.events)
      } catch (cause) {
        throw new Error(`in the interleaving of seed ${seed}`, { cause })
      }
    }
  })
})
