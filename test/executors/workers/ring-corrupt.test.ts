import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { FrameKind } from '../../../src/executors/elsewhere/frames.ts'
import { allocateRing, MIN_RING_BYTES, RingCorrupt } from '../../../src/executors/workers/ring.ts'
import { Reading, writeFrame } from '../../support/ring/frames.ts'
import {
  HEAD,
  TAIL,
  CONTROL_BYTES,
  HEADER_BYTES,
  WRAP,
  longestOf,
  position,
  frame,
  Loop,
} from './ring-loop.ts'

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
