/**
 * One file, because the writer and the reader of a ring are correct only together.
 *
 * A ring of shared memory carries the events of a worker. The worker writes, the server's thread reads. No message is
 * sent per event: the writer rings a doorbell (one message) only if the reader sleeps, or if a resting reader is needed
 * now.
 *
 * Memory: four control words, each in a cache line of its own, then the data.
 *
 * - `HEAD`: the position of the next frame, in bytes since the start, modulo 2^32. Bytes that are appended to the last
 *   frame (see below) are added only with the next frame. Only the writer stores it.
 * - `TAIL`: bytes read since the start, modulo 2^32. Only the reader stores it.
 * - `READER`: the state of the reader.
 *   - ASLEEP: it waits for the doorbell. The reader stores ASLEEP, then reads `HEAD` again; the writer stores `HEAD`,
 *     then exchanges ASLEEP for AWAKE, and rings if the exchange succeeds. So either the reader finds the frame, or the
 *     writer finds ASLEEP.
 *   - RESTING: it polls again after a millisecond, even if something was written since the last poll. A writer that
 *     waits, or that has written HURRY_BYTES, rings earlier.
 *   - WANTED: such a writer has found it AWAKE. The reader must drain once more before it may rest.
 * - `FULL`: 1 while the writer blocks on this word and waits for room. The writer stores 1, then reads `TAIL` again;
 *   the reader stores `TAIL`, then exchanges `FULL` for 0, and wakes the writer if it was 1. (A wait on `TAIL` could
 *   miss its wake-up: if the reader exchanges `FULL` for a `TAIL` that the writer has already read, between the
 *   writer's store of `FULL` and its wait, then the next change of `TAIL` wakes nothing.)
 *
 * Data is a sequence of frames at `position modulo size`, aligned to 4 bytes. No frame wraps:
 *
 *     STATE  events << 20 | length      one word
 *     STREAM the stream's number        one word
 *     KIND   the kind of the payload    one word
 *     payload, padded to 4 bytes
 *
 * A frame of kind DATA or CODED stays open until the reader takes it: the writer appends the stream's next events to
 * its payload, and then exchanges STATE for the new one. The reader takes a frame by exchanging STATE for TAKEN. Both
 * exchanges are atomic. So either the reader gets the appended events, or the writer finds TAKEN and begins a new frame
 * at the end of the taken one. While the reader is busy, batches form in this way, and each costs the reader one copy.
 *
 * If events were appended to the frame that the reader takes, its `TAIL` is ahead of `HEAD`: hence signed comparisons.
 */
import { FrameKind, type EventsKind } from '../elsewhere/frames.ts'

/** States of `READER`. */
const AWAKE = 0
const ASLEEP = 1
const RESTING = 2
const WANTED = 3

/** Offsets of the control words, in words. A cache line has 16. */
const HEAD = 0
const TAIL = 16
const READER = 32
const FULL = 48
const CONTROL_BYTES = 256

const STATE = 0
const STREAM = 1
const KIND = 2
const FRAME_HEADER_BYTES = 12

const LENGTH_BITS = 20
const LENGTH_MASK = 2 ** LENGTH_BITS - 1
const MOST_EVENTS = 2 ** (32 - LENGTH_BITS - 1) - 1
/** STATE of a frame that the reader has taken. No other frame has it: its length would be larger than any ring. */
const TAKEN = -1
/** STATE at a position after which the next frame is at the start of the ring. */
const WRAP = -2

/** Interval of polls while one end waits, in ms. They only matter if an overwritten word prevents a wake-up. */
export const LOOK_MS = 1_000

/** An open frame grows up to this many bytes, so that the batch of one stream does not delay the others. */
const BATCH_BYTES = 65_536

/**
 * A resting reader gets the doorbell when so many bytes wait for it: half of the default high-water mark of a stream.
 * So a producer that never pauses is not stopped, and both ends work at the same time.
 */
const HURRY_BYTES = 32_768

const LAST_KIND = FrameKind.LEFT_OPEN

export const MIN_RING_BYTES = 4_096
/** In bytes of data. The longest frame, a quarter of it, still fits into LENGTH_BITS. */
export const MAX_RING_BYTES: number = 2 ** (LENGTH_BITS + 2)

/**
 * @param bytes of data: a power of two from MIN_RING_BYTES to MAX_RING_BYTES
 * @param position the first value of `HEAD` and `TAIL`, a multiple of 4. Near 2^32 they wrap soon, for tests
 */
export function allocateRing(bytes: number, position = 0): SharedArrayBuffer {
  const memory = new SharedArrayBuffer(CONTROL_BYTES + bytes)
  const words = new Int32Array(memory)
  words[HEAD] = words[TAIL] = position
  return memory
}

const aligned = (length: number): number => (length + 3) & ~3

/** The longest payload of a frame, in bytes, in a ring of `size` bytes. */
const longestFrame = (size: number): number => Math.min(size / 4 - FRAME_HEADER_BYTES, LENGTH_MASK)

interface OpenFrame {
  word: number
  state: number
  stream: number
  kind: FrameKind
  events: number
  length: number
}

/** The worker's end of a ring. */
export class RingWriter {
  readonly #words: Int32Array<SharedArrayBuffer>
  readonly #data: Buffer<SharedArrayBuffer>
  readonly #size: number
  readonly #longest: number
  readonly #ring: () => void
  /** The position of the next frame: `HEAD`, plus the bytes that were appended to the last frame. */
  #head: number
  /** The last value of `TAIL` that was read. `TAIL` itself may be larger. */
  #tail: number
  /** When `#head` reaches this, the writer checks whether HURRY_BYTES wait for the reader. */
  #lookAt: number
  /** The last frame, if it is DATA or CODED: its word index, STATE, stream, kind, events and length. */
  #open: OpenFrame = { word: 0, state: TAKEN, stream: 0, kind: FrameKind.DATA, events: 0, length: 0 }

  /** @param ring rings the reader's doorbell */
  constructor(memory: SharedArrayBuffer, ring: () => void) {
    this.#words = new Int32Array(memory)
    this.#data = Buffer.from(memory, CONTROL_BYTES)
    this.#size = this.#data.length
    this.#longest = longestFrame(this.#size)
    this.#ring = ring
    this.#head = Atomics.load(this.#words, HEAD)
    this.#tail = Atomics.load(this.#words, TAIL)
    this.#lookAt = (this.#tail + HURRY_BYTES) | 0
  }

  /**
   * Appends whole events of a stream. Blocks while the ring is full.
   *
   * @param length of the written bytes, in UTF-8
   * @param framed true if `text` is one line of data: `data: `, the line and two line feeds are written
   */
  writeText(stream: number, text: string, length: number, events: number, framed = false): void {
    if (length > this.#longest) {
      const bytes = Buffer.allocUnsafe(length)
      encode(text, framed, bytes, 0, length)
      this.#writeParts(stream, FrameKind.DATA, bytes, events)
    } else if (!this.#append(stream, FrameKind.DATA, text, length, events, framed)) {
      const at = this.#reserve(length)
      encode(text, framed, this.#data, at + FRAME_HEADER_BYTES, length)
      this.#publish(at, stream, FrameKind.DATA, length, events)
    }
  }

  /** Appends compressed events, as one piece (see coded-frame.ts). Blocks while the ring is full. */
  writeCoded(stream: number, piece: Uint8Array, events: number): void {
    const { length } = piece
    if (length > this.#longest) {
      this.#writeParts(stream, FrameKind.CODED, piece, events)
    } else if (!this.#append(stream, FrameKind.CODED, piece, length, events, false)) {
      const at = this.#reserve(length)
      this.#data.set(piece, at + FRAME_HEADER_BYTES)
      this.#publish(at, stream, FrameKind.CODED, length, events)
    }
  }

  /** Appends one frame, which is never joined with others. Blocks while the ring is full. */
  write(stream: number, kind: FrameKind, payload: Uint8Array = NOTHING, events = 0): void {
    if (payload.length > this.#longest) throw new RangeError(`a frame of ${payload.length} bytes`)
    const at = this.#reserve(payload.length)
    this.#data.set(payload, at + FRAME_HEADER_BYTES)
    this.#publish(at, stream, kind, payload.length, events)
    this.#open.state = TAKEN
  }

  #writeParts(stream: number, kind: EventsKind, bytes: Uint8Array, events: number): void {
    let at = 0
    for (; bytes.length - at > this.#longest; at += this.#longest) {
      this.write(stream, FrameKind.PART, bytes.subarray(at, at + this.#longest))
    }
    this.write(stream, kind, bytes.subarray(at), events)
  }

  /**
   * Appends events to the open frame. False if there is none, if they do not fit, or if the reader has just taken it.
   */
  #append(
    stream: number,
    kind: EventsKind,
    content: string | Uint8Array,
    length: number,
    events: number,
    framed: boolean,
  ): boolean {
    const open = this.#open
    const most = Math.min(BATCH_BYTES, this.#longest)
    if (open.state === TAKEN || open.stream !== stream || open.kind !== kind) return false
    if (open.length + length > most || open.events + events > MOST_EVENTS) return false
    const payload = open.word * 4 + FRAME_HEADER_BYTES - CONTROL_BYTES
    const end = payload + aligned(open.length + length)
    if (end > this.#size) return false
    const head = (this.#head + aligned(open.length + length) - aligned(open.length)) | 0
    if (((head - this.#tail) | 0) > this.#size) {
      this.#tail = Atomics.load(this.#words, TAIL)
      if (((head - this.#tail) | 0) > this.#size) return false
    }
    if (typeof content === 'string') encode(content, framed, this.#data, payload + open.length, length)
    else this.#data.set(content, payload + open.length)
    const state = ((open.events + events) << LENGTH_BITS) | (open.length + length)
    if (Atomics.compareExchange(this.#words, open.word, open.state, state) !== open.state) {
      open.state = TAKEN
      return false
    }
    open.state = state
    open.events += events
    open.length += length
    this.#head = head
    if (((head - this.#lookAt) | 0) >= 0) this.#hurryIfBehind()
    return true
  }

  /** Waits for room for a frame, and returns its index in the data. */
  #reserve(length: number): number {
    const needed = FRAME_HEADER_BYTES + aligned(length)
    let at = (this.#head >>> 0) % this.#size
    const rest = this.#size - at
    if (needed > rest) {
      this.#awaitRoom(rest + needed)
      Atomics.store(this.#words, (CONTROL_BYTES + at) / 4, WRAP)
      // `HEAD` is stored only with the frame, so that the reader never finds WRAP without a frame after it.
      this.#head = (this.#head + rest) | 0
      at = 0
    } else {
      this.#awaitRoom(needed)
    }
    return at
  }

  #publish(at: number, stream: number, kind: FrameKind, length: number, events: number): void {
    const word = (CONTROL_BYTES + at) / 4
    const state = (events << LENGTH_BITS) | length
    this.#words[word + STREAM] = stream
    this.#words[word + KIND] = kind
    Atomics.store(this.#words, word + STATE, state)
    const open = this.#open
    open.word = word
    open.state = state
    open.stream = stream
    open.kind = kind
    open.events = events
    open.length = length
    this.#head = (this.#head + FRAME_HEADER_BYTES + aligned(length)) | 0
    Atomics.store(this.#words, HEAD, this.#head)
    this.#wake(ASLEEP)
    if (((this.#head - this.#lookAt) | 0) >= 0) this.#hurryIfBehind()
  }

  #hurryIfBehind(): void {
    this.#tail = Atomics.load(this.#words, TAIL)
    const isBehind = ((this.#head - this.#tail) | 0) >= HURRY_BYTES
    if (isBehind) this.hurry()
    this.#lookAt = ((isBehind ? this.#head : this.#tail) + HURRY_BYTES) | 0
  }

  /** Call it before the writer waits. Wakes a resting reader, and keeps one that is awake from resting. */
  hurry(): void {
    if (Atomics.compareExchange(this.#words, READER, AWAKE, WANTED) !== AWAKE) this.#wake(RESTING)
  }

  #wake(state: typeof ASLEEP | typeof RESTING): void {
    // Loaded before it is exchanged: the reader is nearly always awake, and a write would move the cache line.
    if (Atomics.load(this.#words, READER) !== state) return
    if (Atomics.compareExchange(this.#words, READER, state, AWAKE) === state) this.#ring()
  }

  #awaitRoom(needed: number): void {
    const words = this.#words
    const most = this.#size - needed
    const isFull = (): boolean => ((this.#head - this.#tail) | 0) > most
    while (isFull()) {
      this.#tail = Atomics.load(words, TAIL)
      if (!isFull()) return
      Atomics.store(words, FULL, 1)
      this.#tail = Atomics.load(words, TAIL)
      if (!isFull()) return
      this.hurry()
      Atomics.wait(words, FULL, 1, LOOK_MS)
    }
  }
}

const NOTHING = new Uint8Array(0)

/** Bytes around a line of data: `data: ` and two line feeds. */
export const LINE_FRAME_BYTES = 8

/**
 * Writes text. If it is a line of data, writes each of the bytes around it: joining strings first takes twice as long.
 */
function encode(text: string, framed: boolean, target: Buffer, at: number, length: number): void {
  const room = framed ? length - LINE_FRAME_BYTES : length
  // If there are as many bytes as UTF-16 code units, all are ASCII. Node copies latin1 in half the time.
  const encoding = text.length === room ? 'latin1' : 'utf8'
  if (!framed) {
    target.write(text, at, room, encoding)
    return
  }
  target[at] = 0x64 // d
  target[at + 1] = 0x61 // a
  target[at + 2] = 0x74 // t
  target[at + 3] = 0x61 // a
  target[at + 4] = 0x3a // :
  target[at + 5] = 0x20
  target.write(text, at + 6, room, encoding)
  target[at + length - 2] = 0x0a
  target[at + length - 1] = 0x0a
}

/** Takes the frames of a ring, in order. */
export interface FrameHandler {
  /**
   * @param bytes a copy
   * @param coded true for a frame of kind CODED
   */
  data(stream: number, bytes: Buffer, events: number, coded: boolean): void
  /** @param payload memory of the ring, valid during the call only */
  control(stream: number, kind: FrameKind, payload: Uint8Array): void
}

/** The words of a ring are invalid: its thread has overwritten them. */
export class RingCorrupt extends Error {}

/** The server's end of a ring. */
export class RingReader {
  readonly #words: Int32Array<SharedArrayBuffer>
  readonly #data: Buffer<SharedArrayBuffer>
  readonly #size: number
  readonly #longest: number
  /** The value of `TAIL`. */
  #tail: number

  constructor(memory: SharedArrayBuffer) {
    this.#words = new Int32Array(memory)
    this.#data = Buffer.from(memory, CONTROL_BYTES)
    this.#size = this.#data.length
    this.#longest = longestFrame(this.#size)
    this.#tail = Atomics.load(this.#words, TAIL)
  }

  /**
   * Passes frames to the handler, until all frames that were there at the call are read, or `budget` is spent. Frames
   * that are written meanwhile are left for the next call: otherwise the reader would take the events of a writer that
   * never pauses one by one.
   *
   * @param budget bytes. Each frame counts as FRAME_COST more, for the write that it causes
   * @returns true if all frames that were there at the call are read
   * @throws RingCorrupt if a word is invalid
   */
  drain(budget: number, handler: FrameHandler): boolean {
    const words = this.#words
    // Only the reader stores `TAIL`. If another value is there, the writer may wait for ever.
    if (Atomics.load(words, TAIL) !== this.#tail) throw new RingCorrupt('the tail has moved')
    const head = Atomics.load(words, HEAD)
    let spent = 0
    for (;;) {
      const available = (head - this.#tail) | 0
      // More bytes than can be appended to one frame, more than the ring has, or not a multiple of a word.
      if (available < -BATCH_BYTES || available > this.#size || (available & 3) !== 0) {
        throw new RingCorrupt(`${available} bytes`)
      }
      if (available <= 0) return true
      if (spent >= budget) return false
      const at = (this.#tail >>> 0) % this.#size
      const word = (CONTROL_BYTES + at) / 4
      const state = Atomics.exchange(words, word + STATE, TAKEN)
      if (state === WRAP && available > this.#size - at) {
        this.#release(this.#size - at)
        spent += FRAME_COST
        continue
      }
      const length = state & LENGTH_MASK
      const start = at + FRAME_HEADER_BYTES
      const kind = words[word + KIND] as FrameKind
      if (
        state < 0 ||
        length > this.#longest ||
        start + length > this.#size ||
        FRAME_HEADER_BYTES + length - available > BATCH_BYTES ||
        !(kind >= 1 && kind <= LAST_KIND)
      ) {
        throw new RingCorrupt(`state ${state}, kind ${kind}, ${available} bytes`)
      }
      const stream = words[word + STREAM] as number
      const payload = this.#data.subarray(start, start + length)
      if (kind === FrameKind.DATA || kind === FrameKind.CODED)
        handler.data(stream, copy(payload), state >>> LENGTH_BITS, kind === FrameKind.CODED)
      else handler.control(stream, kind, payload)
      this.#release(FRAME_HEADER_BYTES + aligned(length))
      spent += FRAME_COST + length
    }
  }

  /** Sets the reader ASLEEP. False if a frame was written meanwhile: then it is AWAKE, and must drain. */
  sleep(): boolean {
    Atomics.store(this.#words, READER, ASLEEP)
    if (((Atomics.load(this.#words, HEAD) - this.#tail) | 0) <= 0) return true
    this.wake()
    return false
  }

  /**
   * Sets the reader RESTING, even if something was written meanwhile. The caller polls again after a millisecond. False
   * if HURRY_BYTES or more wait, or if the writer waits: then the reader is AWAKE, and must drain.
   */
  rest(): boolean {
    if (Atomics.compareExchange(this.#words, READER, AWAKE, RESTING) === AWAKE) return true
    this.wake()
    return false
  }

  /** Sets the reader AWAKE, when it polls without a doorbell. */
  wake(): void {
    Atomics.store(this.#words, READER, AWAKE)
  }

  #release(bytes: number): void {
    this.#tail = (this.#tail + bytes) | 0
    Atomics.store(this.#words, TAIL, this.#tail)
    if (Atomics.load(this.#words, FULL) === 1 && Atomics.exchange(this.#words, FULL, 0) === 1) {
      Atomics.notify(this.#words, FULL)
    }
  }
}

/** The cost of one frame for the server's thread, expressed in copied bytes. Most of it is a system call. */
const FRAME_COST = 1_024

function copy(bytes: Uint8Array): Buffer {
  const target = Buffer.allocUnsafe(bytes.length)
  target.set(bytes)
  return target
}
