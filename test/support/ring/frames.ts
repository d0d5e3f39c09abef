/** What is the same at both ends of a ring: the frames of a seed, and what a reader makes of them. */
import { FrameKind } from '../../../src/executors/elsewhere/frames.ts'
import { type FrameHandler, type RingWriter } from '../../../src/executors/workers/ring.ts'
import { dice } from '../random.ts'

/** One call of a ring's writer. */
export interface Frame {
  stream: number
  /** DATA goes through `writeText()`, whatever its length; every other kind through `write()`. */
  kind: FrameKind
  text: string
  events: number
}

export function writeFrame(ring: RingWriter, { stream, kind, text, events }: Frame): void {
  if (kind === FrameKind.DATA) ring.writeText(stream, text, Buffer.byteLength(text), events)
  else ring.write(stream, kind, Buffer.from(text), events)
}

/** What was read of each stream: bytes, with marks where control frames stood between them. */
export class Reading implements FrameHandler {
  readonly #pieces = new Map<number, Uint8Array[]>()
  events = 0
  /** Calls of the handler. */
  frames = 0
  /** Of payload. */
  bytes = 0

  data(stream: number, bytes: Uint8Array, events: number): void {
    this.frames++
    this.events += events
    this.#put(stream, bytes)
  }

  control(stream: number, kind: FrameKind, payload: Uint8Array): void {
    this.frames++
    if (kind !== FrameKind.PART) this.#piecesOf(stream).push(Uint8Array.of(0, kind))
    this.#put(stream, payload)
  }

  /** As the reader ought to see it. */
  expect(frame: Frame): void {
    if (frame.kind === FrameKind.DATA) this.data(frame.stream, Buffer.from(frame.text), frame.events)
    else this.control(frame.stream, frame.kind, Buffer.from(frame.text))
  }

  /** Bytes by stream, as Latin-1, so that a difference can be read. */
  get streams(): Record<string, string> {
    const streams = [...this.#pieces].toSorted(([a], [b]) => a - b)
    return Object.fromEntries(streams.map(([stream, all]) => [stream, Buffer.concat(all).toString('latin1')]))
  }

  #put(stream: number, bytes: Uint8Array): void {
    this.#piecesOf(stream).push(Uint8Array.from(bytes))
    this.bytes += bytes.length
  }

  #piecesOf(stream: number): Uint8Array[] {
    let pieces = this.#pieces.get(stream)
    if (pieces === undefined) this.#pieces.set(stream, (pieces = []))
    return pieces
  }
}

export interface Soak {
  seed: number
  /** Events in all. */
  count: number
  streams: number
  /** Bytes of one event, at most. */
  longest: number
}

/** Random text; events are cuts of it, which differ from each other at every place. */
const TEXT = ((): string => {
  const random = dice(0x2545f49)
  return Array.from({ length: 8_192 }, () => String.fromCharCode(97 + random(26))).join('')
})()

/** The nth event of a stream, on a line of its own. */
function lineOf(stream: number, number: number, longest: number): string {
  const hash = Math.imul(number + 1, 0x9e3779b1) ^ Math.imul(stream + 1, 0x85ebca6b)
  const length = (hash >>> 3) % longest
  const from = (hash >>> 7) % (TEXT.length - length)
  return `${number}:${TEXT.slice(from, from + length)}\n`
}

/** The count at an index, which it raises. */
function take(counts: Uint32Array, index: number): number {
  const count = counts[index] ?? 0
  counts[index] = count + 1
  return count
}

/** Writes events of several streams in turn, in runs of random length. */
export function writeSoak(ring: RingWriter, { seed, count, streams, longest }: Soak): void {
  const random = dice(seed)
  const written = new Uint32Array(streams)
  let stream = 0
  for (let i = 0; i < count; i++) {
    if (random(4) === 0) stream = random(streams)
    const line = lineOf(stream, take(written, stream), longest)
    ring.writeText(stream, line, line.length, 1)
  }
  for (let each = 0; each < streams; each++) ring.write(each, FrameKind.DONE)
}

function latin1({ buffer, byteOffset, length }: Uint8Array): string {
  return Buffer.from(buffer, byteOffset, length).toString('latin1')
}

/** Checks what `writeSoak()` has written: each event whole, at its place, none missing, none twice. */
export class SoakReading implements FrameHandler {
  readonly #longest: number
  readonly #read: Uint32Array
  readonly #rest: string[]
  events = 0
  bytes = 0
  /** Streams that are done. */
  done = 0

  constructor({ streams, longest }: Soak) {
    this.#longest = longest
    this.#read = new Uint32Array(streams)
    this.#rest = Array.from({ length: streams }, () => '')
  }

  data(stream: number, bytes: Uint8Array, events: number): void {
    this.events += events
    this.bytes += bytes.length
    const lines = (this.#rest[stream] + latin1(bytes)).split('\n')
    this.#rest[stream] = lines.pop() as string
    if (lines.length !== events) throw new Error(`stream ${stream}: ${lines.length} lines, ${events} events`)
    for (const line of lines) {
      const number = take(this.#read, stream)
      const expected = lineOf(stream, number, this.#longest)
      if (`${line}\n` !== expected) throw new Error(`stream ${stream}, event ${number}: ${line}`)
    }
  }

  control(stream: number, kind: FrameKind, payload: Uint8Array): void {
    if (kind === FrameKind.PART) {
      this.#rest[stream] += latin1(payload)
      return
    }
    if (this.#rest[stream] !== '') throw new Error(`stream ${stream} is done within an event`)
    this.done++
  }
}
