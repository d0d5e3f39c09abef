import type { BodyListener, EventBody } from '../../profiler/client/event-body.ts'
import { nowMs } from '../../profiler/clock.ts'

/** What is known of events beforehand, so that reading them costs less, or finds more. */
export interface EventShape {
  /** Bytes of each event on the wire. There must be no comments then. */
  bytes: number
  /** Whether each event holds, after its number, the time when it was sent, in ns on the host's clock. */
  stamped: boolean
}

/** Enough for `data: `, an object's first key, a number, and a stamp. */
const LOOKED_AT_BYTES = 48
const LF = 0x0a
const SPACE = 0x20
const ZERO = 0x30
const DATA = Buffer.from('data:')
const FIRST_KEY = Buffer.from('{"n":')

/**
 * Counts events that all have the same length, by their bytes. To read each byte of millions of events a second
 * would cost the client more than they cost the server. So of each piece that arrives only the first event is
 * checked: that it begins where an event must begin, and has the number that belongs there. Events that are
 * stamped come one by one, and are all checked.
 */
export class FixedEvents implements EventBody {
  bytes = 0
  inSequence = true
  readonly #shape: EventShape
  readonly #listener: Pick<BodyListener, 'stamped'>

  constructor(shape: EventShape, listener: Pick<BodyListener, 'stamped'>) {
    this.#shape = shape
    this.#listener = listener
  }

  get events(): number {
    return Math.floor(this.bytes / this.#shape.bytes)
  }

  scan(chunk: Buffer, from: number, to: number): void {
    const { bytes: length, stamped } = this.#shape
    let number = Math.ceil(this.bytes / length)
    let start = from + number * length - this.bytes
    this.bytes += to - from
    while (start + Math.min(length, LOOKED_AT_BYTES) <= to) {
      if (start > from && chunk[start - 1] !== LF) this.inSequence = false
      const end = this.#readNumber(chunk, start, number)
      if (!stamped) return
      this.#readStamp(chunk, end)
      start += length
      number++
    }
  }

  /** @returns where the number ends, which should be this one */
  #readNumber(chunk: Buffer, start: number, number: number): number {
    let at = start + DATA.length
    if (!holds(chunk, start, DATA)) this.inSequence = false
    if (chunk[at] === SPACE) at++
    if (holds(chunk, at, FIRST_KEY)) at += FIRST_KEY.length
    const first = at
    let found = 0
    for (let digit = digitAt(chunk, at); digit >= 0; digit = digitAt(chunk, ++at)) found = found * 10 + digit
    if (found !== number || at === first) this.inSequence = false
    return at
  }

  #readStamp(chunk: Buffer, from: number): void {
    let to = from + 1
    while (digitAt(chunk, to) >= 0) to++
    if (chunk[from] !== SPACE || to === from + 1) return
    // More digits than a number has while it is added up.
    const sentMs = Number(chunk.toString('latin1', from + 1, to)) / 1e6
    this.#listener.stamped(nowMs() - sentMs, sentMs)
  }
}

function holds(chunk: Buffer, at: number, bytes: Buffer): boolean {
  for (let index = 0; index < bytes.length; index++) if (chunk[at + index] !== bytes[index]) return false
  return true
}

/** From 0 to 9; -1 of any other byte, and behind the last. */
function digitAt(chunk: Buffer, at: number): number {
  const digit = (chunk[at] ?? 0) - ZERO
  return digit >= 0 && digit <= 9 ? digit : -1
}
