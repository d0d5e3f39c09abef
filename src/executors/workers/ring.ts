/**
 * The way back from a worker: a ring of shared memory with one writer (the worker) and one reader (the server's
 * thread). No message is sent per event: the writer rings a doorbell only when the reader sleeps. Both ends stand in
 * one file, long as it is, because neither can be judged without the other.
 *
 * Memory: four control words, each in a cache line of its own, then the data.
 *
 * - `HEAD`: where the next frame will stand, in bytes since ever, modulo 2^32; what was appended to the last frame
 *   (see below) counts only once the next one is there. Only the writer stores it.
 * - `TAIL`: bytes ever read, modulo 2^32. Only the reader stores it.
 * - `READER`: what the reader does. ASLEEP: it waits for the doorbell. It sets that, then looks at `HEAD` once
 *   more; the writer stores `HEAD`, then exchanges ASLEEP for AWAKE and rings if it was that. So either the
 *   reader sees the frame, or the writer sees the sleeper. RESTING: it comes back by itself within a millisecond,
 *   also where something has come since it looked, and wants the doorbell only of a writer that cannot go on before,
 *   or has written HURRY_BYTES. WANTED: such a writer has found it AWAKE, so that it may not rest before it has
 *   looked once more.
 * - `FULL`: 1 while the writer waits for room, in place, on this very word. The writer sets it, then looks at
 *   `TAIL` once more; the reader stores `TAIL`, then exchanges `FULL` for 0 and wakes it if it was 1. (Were the
 *   wait on `TAIL`, an exchange that belongs to the `TAIL` which the writer has just seen could fall between its
 *   setting `FULL` and its wait: then nobody would wake it for the next.)
 *
 * Data is a sequence of frames at `position modulo size`, 4-byte aligned, none of which wraps:
 *
 *     STATE  events << 20 | length      one word
 *     STREAM the stream's number        one word
 *     KIND   what the payload is        one word
 *     payload, padded to 4 bytes
 *
 * A frame of kind DATA or CODED that the reader has not begun stays open: the writer appends the stream's next events
 * to its payload and then swaps STATE for the new length. The reader takes a frame by swapping STATE for TAKEN. Both
 * swaps are atomic, so that either the reader gets the appended events, or the writer sees TAKEN and begins a new
 * frame, at the end of what was taken. Batches form by themselves while the reader is busy, and cost it one copy.
 *
 * So the reader may be ahead of `HEAD`, by what was appended to the frame that it took: hence signed comparisons.
 */
import { FrameKind, type EventsKind } from '../elsewhere/frames.ts'

/** States of `READER`. */
const AWAKE = 0
const ASLEEP = 1
const RESTING = 2
const WANTED = 3

/** Of the control words, in words; 16 of them are a cache line. */
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
/** STATE of a frame that the reader has begun. No frame has it: its length would be beyond any ring's. */
const TAKEN = -1
/** STATE of a place after which the next frame stands at the ring's start. */
const WRAP = -2

/** Who waits looks for itself this often: nothing but a word that was overwritten keeps the other from waking it. */
export const LOOK_MS = 1_000

/** An open frame is appended to up to this length, so that one stream's batch does not keep others waiting. */
const BATCH_BYTES = 65_536

/**
 * A reader that rests is wanted as soon as so much waits for it: half of a stream's usual high-water mark, so that a
 * producer that never pauses is not stopped by it, and both ends work at the same time.
 */
const HURRY_BYTES = 32_768

const LAST_KIND = FrameKind.LEFT_OPEN

export const MIN_RING_BYTES = 4_096
/** So that a quarter of it, the longest frame, fits into LENGTH_BITS. */
export const MAX_RING_BYTES: number = 2 ** (LENGTH_BITS + 2)

/**
 * @param bytes of data: a power of two from MIN_RING_BYTES to MAX_RING_BYTES
 * @param position where `HEAD` and `TAIL` begin, a multiple of 4: near 2^32 they wrap soon
 */
export function allocateRing(bytes: number, position = 0): SharedArrayBuffer {
  const memory = new SharedArrayBuffer(CONTROL_BYTES + bytes)
  const words = new Int32Array(memory)
  words[HEAD] = words[TAIL] = position
  return memory
}

const aligned = (length: number): number => (length + 3) & ~3

/** Bytes of payload, in a ring of this size. */
const longestFrame = (size: number): number => Math.min(size / 4 - FRAME_HEADER_BYTES, LENGTH_MASK)

interface OpenFrame {
  word: number
  state: number
  stream: number
  kind: FrameKind
  events: number
  length: number
}

/** The worker's end. */
export class RingWriter {
  readonly #words: Int32Array<SharedArrayBuffer>
  readonly #data: Buffer<SharedArrayBuffer>
  readonly #size: number
  readonly #longest: number
  readonly #ring: () => void
  /** Where the next frame will stand. It is `HEAD`, and what was appended to the last frame. */
  #head: number
  /** The last `TAIL` that was seen; the true one is this or further. */
  #tail: number
  /** Once `#head` is here it is time to look whether the reader is behind. */
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
   * Appends whole events of a stream. Waits in place while the ring is full.
   *
   * @param length of what is written in UTF-8, in bytes
   * @param framed `text` is a line of data, and what is written is the event around it
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

  /** The same for compressed events: a piece as coded-frame.ts makes it. */
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

  /** Appends a frame of its own: never joined with others. Waits in place while the ring is full. */
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

  /** Puts events at the end of the open frame; false when they can't be, or when the reader was faster. */
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

  /** Waits for room for a frame, and answers where it goes (from the start of the data). */
  #reserve(length: number): number {
    const needed = FRAME_HEADER_BYTES + aligned(length)
    let at = (this.#head >>> 0) % this.#size
    const rest = this.#size - at
    if (needed > rest) {
      this.#awaitRoom(rest + needed)
      Atomics.store(this.#words, (CONTROL_BYTES + at) / 4, WRAP)
      // Moved with the frame itself, so that the reader never finds a wrap with nothing after it.
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

  /** The writer is about to wait for the reader: a reader that rests is wanted now, and one that is awake may not rest. */
  hurry(): void {
    if (Atomics.compareExchange(this.#words, READER, AWAKE, WANTED) !== AWAKE) this.#wake(RESTING)
  }

  #wake(state: typeof ASLEEP | typeof RESTING): void {
    // Loaded before it is exchanged: almost always the reader is awake, and a write would move the cache line.
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

/** What stands around a line of data, `data: ` and two line feeds, in bytes. */
export const LINE_FRAME_BYTES = 8

/** Writes the frame of a line byte by byte: joining strings first, to write them once, takes twice as long. */
function encode(text: string, framed: boolean, target: Buffer, at: number, length: number): void {
  const room = framed ? length - LINE_FRAME_BYTES : length
  // As many bytes as UTF-16 units: all are ASCII, which Node copies in half the time.
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

/** Takes frames; the payload is valid during the call only, except that of `data()`, which is a copy. */
export interface FrameHandler {
  /** @param coded true for a frame of kind CODED */
  data(stream: number, bytes: Buffer, events: number, coded: boolean): void
  control(stream: number, kind: FrameKind, payload: Uint8Array): void
}

/** The words of a ring make no sense: its thread has overwritten memory that is not its own. */
export class RingCorrupt extends Error {}

/** The server's end. */
export class RingReader {
  readonly #words: Int32Array<SharedArrayBuffer>
  readonly #data: Buffer<SharedArrayBuffer>
  readonly #size: number
  readonly #longest: number
  /** What `TAIL` holds. */
  #tail: number

  constructor(memory: SharedArrayBuffer) {
    this.#words = new Int32Array(memory)
    this.#data = Buffer.from(memory, CONTROL_BYTES)
    this.#size = this.#data.length
    this.#longest = longestFrame(this.#size)
    this.#tail = Atomics.load(this.#words, TAIL)
  }

  /**
   * Hands frames to the handler, until all that was there is handed over or `budget` is spent. What comes meanwhile is
   * left: to run after a writer that never pauses would mean to take its events one by one.
   *
   * @param budget bytes; each frame counts FRAME_COST more, for the write that it causes
   * @returns true when nothing is left of what was there
   * @throws RingCorrupt
   */
  drain(budget: number, handler: FrameHandler): boolean {
    const words = this.#words
    // Only the reader stores it; a writer that reads another value may wait for ever.
    if (Atomics.load(words, TAIL) !== this.#tail) throw new RingCorrupt('the tail has moved')
    const head = Atomics.load(words, HEAD)
    let spent = 0
    for (;;) {
      const available = (head - this.#tail) | 0
      // Behind by more than can have been appended to one frame, beyond the ring, or within a word.
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

  /** Declares the reader asleep. False when something has come meanwhile: then it is awake, and has to drain. */
  sleep(): boolean {
    Atomics.store(this.#words, READER, ASLEEP)
    if (((Atomics.load(this.#words, HEAD) - this.#tail) | 0) <= 0) return true
    this.wake()
    return false
  }

  /**
   * Declares that the reader comes back within a millisecond, though something may have come meanwhile. False when that
   * is much, or its writer waits: then it is awake, and has to drain.
   */
  rest(): boolean {
    if (Atomics.compareExchange(this.#words, READER, AWAKE, RESTING) === AWAKE) return true
    this.wake()
    return false
  }

  /** The reader has come back by itself. */
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

/** What handing over one frame costs the server's thread, in bytes copied: most of it is a system call. */
const FRAME_COST = 1_024

function copy(bytes: Uint8Array): Buffer {
  const target = Buffer.allocUnsafe(bytes.length)
  target.set(bytes)
  return target
}
