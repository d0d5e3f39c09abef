import * as fc from 'fast-check'
import { FrameKind } from '../../../src/executors/elsewhere/frames.ts'
import { RingReader, RingWriter } from '../../../src/executors/workers/ring.ts'
import type { Frame } from '../../support/ring/frames.ts'

/** Of the ring's memory, as ring.ts describes it: word indices, and bytes. */
export const HEAD = 0
export const TAIL = 16
export const CONTROL_BYTES = 256
export const HEADER_BYTES = 12
const LENGTH_MASK: number = 2 ** 20 - 1
export const WRAP = -2

const aligned = (length: number): number => (length + 3) & ~3
export const longestOf = (size: number): number => size / 4 - HEADER_BYTES

/** Bytes before 2^32, where the ring's positions begin, so that they wrap during the test. */
const beforeWrap: fc.Arbitrary<number> = fc
  .integer({ min: 0, max: 4_096 })
  .map((words) => 2 ** 32 - words * 4)
export const position: fc.Arbitrary<number> = fc.oneof(fc.constant(0), beforeWrap, fc.constant(2 ** 31 - 64))

const controlKind: fc.Arbitrary<FrameKind> = fc.constantFrom(
  FrameKind.START,
  FrameKind.CLOSE,
  FrameKind.DONE,
  FrameKind.ERROR,
)

export function frame(size: number): fc.Arbitrary<Frame> {
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

/** One thread writes and reads: never more is written than there is room for. */
export class Loop {
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
