import { randomBytes } from 'node:crypto'
import type { EventFields } from './event.ts'

interface Entry {
  /** As it is sent, its id with it. Frozen. */
  readonly event: EventFields
  /** Of its text. */
  readonly bytes: number
}

/** Random bytes of an epoch: enough that no two rings ever share one. */
const EPOCH_BYTES = 9

/**
 * The last events of one source, by position. Positions count from 1; 0 is the place before the first event.
 *
 * An event's id is the ring's epoch and its position. The epoch is random, and each ring has its own, so that an
 * id from another ring, from an earlier process or from nowhere is known for a stranger.
 */
export class EventRing {
  readonly #epoch = randomBytes(EPOCH_BYTES).toString('base64url')
  readonly #maxEvents: number
  readonly #maxBytes: number
  /** The event at position `n` stands at `(n - 1) % maxEvents`. */
  readonly #entries: (Entry | undefined)[] = []
  #oldest = 1
  #next = 1
  #bytes = 0

  /**
   * @param maxEvents events that are kept
   * @param maxBytes bytes that are kept, of the events' text
   */
  constructor(maxEvents: number, maxBytes: number) {
    this.#maxEvents = maxEvents
    this.#maxBytes = maxBytes
  }

  /** Position of the oldest event that is still there; that of the next one where there is none. */
  get oldest(): number {
    return this.#oldest
  }

  /** Position that the next event will have. */
  get next(): number {
    return this.#next
  }

  /** Bytes of the text of the events that are there. */
  get bytes(): number {
    return this.#bytes
  }

  id(position: number): string {
    return `${this.#epoch}.${position}`
  }

  /** The position of an id that this ring has given, also of an event that it has lost; else undefined. */
  position(id: string): number | undefined {
    const position = Number(id.slice(id.lastIndexOf('.') + 1))
    if (!Number.isSafeInteger(position) || position < 0 || position >= this.#next) return undefined
    // Comparing text with text leaves no second spelling of a number.
    return this.id(position) === id ? position : undefined
  }

  /** The event at a position from `oldest` on, and before `next`. */
  at(position: number): EventFields {
    return (this.#entries[(position - 1) % this.#maxEvents] as Entry).event
  }

  /**
   * Adds an event at position `next`, and drops the oldest ones for it.
   *
   * @param bytes of its text; not more than the ring may hold
   */
  push(event: EventFields, bytes: number): void {
    if (this.#next - this.#oldest === this.#maxEvents) this.#drop()
    while (this.#bytes + bytes > this.#maxBytes) this.#drop()
    this.#entries[(this.#next - 1) % this.#maxEvents] = { event, bytes }
    this.#bytes += bytes
    this.#next++
  }

  #drop(): void {
    const index = (this.#oldest - 1) % this.#maxEvents
    this.#bytes -= (this.#entries[index] as Entry).bytes
    this.#entries[index] = undefined
    this.#oldest++
  }
}
