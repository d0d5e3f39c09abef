import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { FrameKind } from '../../../src/executors/elsewhere/frames.ts'
import {
  allocateRing,
  LINE_FRAME_BYTES,
  MAX_RING_BYTES,
  MIN_RING_BYTES,
} from '../../../src/executors/workers/ring.ts'
import { Reading, writeFrame, type Frame } from '../../support/ring/frames.ts'
import { HEADER_BYTES, longestOf, position, frame, Loop } from './ring-loop.ts'

/** A frame to write, or a budget to drain with: of one frame, of some, of all. */
const action = (size: number): fc.Arbitrary<Frame | number> =>
  fc.oneof(
    { weight: 3, arbitrary: frame(size) },
    { weight: 2, arbitrary: fc.constantFrom(1, 1_500, 5_000, Infinity) },
  )

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
