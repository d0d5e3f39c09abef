import type { EventBody } from './event-body.ts'

/** Bytes that an event stream may consist of, as far as they matter for counting. */
const LF = 0x0a
const CR = 0x0d
const SPACE = 0x20
const COLON = 0x3a
const QUOTE = 0x22
const ZERO = 0x30
const NINE = 0x39
const DATA: readonly number[] = [...Buffer.from('data')]

/**
 * Counts the events that a browser would dispatch (HTML Living Standard, 9.2.6: a blank line after at least one
 * `data` line), and checks their numbers. It reads each byte once, keeps none, and so is never the bottleneck.
 */
export class EventScanner implements EventBody {
  /** Events dispatched so far. */
  events = 0
  /** Bytes of the body so far, comments included. */
  bytes = 0
  /** False once the data of an event did not begin with the number of the event, from 0. */
  inSequence = true

  /** Where in its line the scanner is: in the field's name, before the value, in the value's digits, behind. */
  #place: 'name' | 'value' | 'digits' | 'rest' = 'name'
  /** Bytes of the line's field name, and how many of them agree with `data`. */
  #nameLength = 0
  #matched = 0
  #number = -1
  #hasData = false
  #afterCR = false

  scan(chunk: Uint8Array, from: number, to: number): void {
    this.bytes += to - from
    for (let index = from; index < to; index++) {
      const byte = chunk[index] as number
      if (byte === LF || byte === CR) {
        if (byte === CR || !this.#afterCR) this.#endLine()
        this.#afterCR = byte === CR
        continue
      }
      this.#afterCR = false
      if (this.#place === 'rest') {
        // Most bytes are of this kind, and only a line's end is of interest.
        while (index + 1 < to && chunk[index + 1] !== LF && chunk[index + 1] !== CR) index++
      } else if (this.#place === 'name') {
        this.#readName(byte)
      } else if (this.#place === 'value' && (byte === SPACE || byte === QUOTE)) {
        // Some libraries make JSON of a string. What follows the number does not matter.
        continue
      } else if (byte >= ZERO && byte <= NINE) {
        this.#place = 'digits'
        this.#number = (this.#number < 0 ? 0 : this.#number * 10) + byte - ZERO
      } else {
        this.#place = 'rest'
      }
    }
  }

  #readName(byte: number): void {
    if (byte !== COLON) {
      if (this.#matched === this.#nameLength && byte === DATA[this.#nameLength]) this.#matched++
      this.#nameLength++
    } else if (this.#isData()) {
      // The number stands in an event's first data line.
      this.#place = this.#hasData ? 'rest' : 'value'
      this.#hasData = true
    } else {
      this.#place = 'rest'
    }
  }

  #isData(): boolean {
    return this.#nameLength === DATA.length && this.#matched === DATA.length
  }

  #endLine(): void {
    const isBlank = this.#place === 'name' && this.#nameLength === 0
    // A field's name alone is the field with an empty value.
    if (this.#place === 'name' && this.#isData()) this.#hasData = true
    if (isBlank) {
      if (this.#hasData) {
        if (this.#number !== this.events) this.inSequence = false
        this.events++
      }
      this.#hasData = false
      this.#number = -1
    }
    this.#place = 'name'
    this.#nameLength = 0
    this.#matched = 0
  }
}
