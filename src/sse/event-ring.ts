import { randomBytes } from 'node:crypto'

/** Random bytes of an epoch: 72 bits, enough that two rings never share one. */
const EPOCH_BYTES = 9

/**
 * The last events of one source, by position. Positions count from 1; 0 is the place before the first event.
 *
 * An event's id is the ring's epoch and the event's position. Each ring has its own random epoch, so that an id from
 * another ring, from an earlier process, or one that a client made up, is recognised as unknown.
 */
export class EventRing<Event extends { readonly bytes: number }> {
  readonly #epoch = randomBytes(EPOCH_BYTES).toString('base64url')
  readonly #maxEvents: number
  readonly #maxBytes: number
  /** The event at position `n` is at index `(n - 1) % maxEvents`. */
  readonly #events: (Event | undefined)[] = []
  #oldest = 1
  #next = 1
  #bytes = 0

  /**
   * @param maxEvents events that are kept at most
   * @param maxBytes bytes that are kept at most, of the events' text
   */
  constructor(maxEvents: number, maxBytes: number) {
    this.#maxEvents = maxEvents
    this.#maxBytes = maxBytes
  }

  /** Position of the oldest event that is kept; equal to `next` if none is. */
  get oldest(): number {
    return this.#oldest
  }

  /** Position of the next event that is pushed. */
  get next(): number {
    return this.#next
  }

  /** Bytes of the text of all events that are kept. */
  get bytes(): number {
    return this.#bytes
  }

  id(position: number): string {
    return `${this.#epoch}.${position}`
  }

  /** The position of an id that this ring has given, also of an event that it no longer keeps; else undefined. */
  position(id: string): number | undefined {
    const position = Number(id.slice(id.lastIndexOf('.') + 1))
    if (!Number.isSafeInteger(position) || position < 0 || position >= this.#next) return undefined
    // Compared as text, since `Number()` accepts several spellings of a number.
    return this.id(position) === id ? position : undefined
  }

  /** The event at a position from `oldest` to `next - 1`. */
  at(position: number): Event {
    return this.#events[(position - 1) % this.#maxEvents] as Event
  }

  /**
   * Adds an event at position `next`, and drops the oldest ones to make room.
   *
   * @param event its `bytes`, the length of its text, are at most `maxBytes`
   */
  push(event: Event): void {
    const { bytes } = event
    if (this.#next - this.#oldest === this.#maxEvents) this.#drop()
    while (this.#bytes + bytes > this.#maxBytes) this.#drop()
    this.#events[(this.#next - 1) % this.#maxEvents] = event
    this.#bytes += bytes
    this.#next++
  }

  #drop(): void {
    const index = (this.#oldest - 1) % this.#maxEvents
    this.#bytes -= (this.#events[index] as Event).bytes
    this.#events[index] = undefined
    this.#oldest++
  }
}
