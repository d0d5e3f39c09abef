import type { BodyListener, EventBody } from '../../profiler/client/event-body.ts'
import { nowMs } from '../../profiler/clock.ts'

/** What is known of events beforehand, so that reading them costs less, or tells more. */
export interface EventShape {
  /** Bytes of each event on the wire. There must be no comments then. */
  bytes: number
  /** Whether each event holds, after its number, the time when it was sent, in ns on the host's clock. */
  stamped: boolean
}

/** Enough for `data: `, an object's first key, a number, and a stamp. */
const LOOKED_AT_BYTES = 48
const LF = 0x0a

/**
 * Counts events that all have the same length, by their bytes. To look at each byte of millions of events a second
 * would cost the client more than they cost the server. So of each piece that arrives only the first event is
 * looked at: that it begins where an event must begin, and has the number that belongs there. Events that are
 * stamped come one by one, and are all looked at.
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
      this.#look(chunk, from, start, number)
      if (!stamped) return
      start += length
      number++
    }
  }

  #look(chunk: Buffer, from: number, start: number, number: number): void {
    const text = chunk.toString('latin1', start, start + LOOKED_AT_BYTES)
    const [, found, stampNs] = /^data: ?(?:\{"n":)?(\d+)(?: (\d+))?/.exec(text) ?? []
    if (Number(found) !== number || (start > from && chunk[start - 1] !== LF)) this.inSequence = false
    if (stampNs === undefined) return
    const sentMs = Number(stampNs) / 1e6
    this.#listener.stamped(nowMs() - sentMs, sentMs)
  }
}
