/** What a client makes of the body of a response, whose bytes it gets as they come. */
export interface EventBody {
  /** Events so far. */
  readonly events: number
  /** Bytes of the event stream so far, comments included; those of a body in a content coding once decoded. */
  readonly bytes: number
  /** False once an event's number was not its place in the stream, from 0; undefined where numbers are not read. */
  readonly inSequence?: boolean

  scan(chunk: Buffer, from: number, to: number): void

  /** Only where events come later than their bytes: all bytes have come, and `ended()` follows. */
  end?(): void
  /** Only where there is something to let go of, once nothing more is read. */
  destroy?(): void
}

/** What happens in a body besides what it counts. */
export interface BodyListener {
  /**
   * An event has come that was to have a stamp.
   *
   * @param latencyMs from when it was sent until now; undefined where it has none
   * @param sentMs when it was sent, on the stamp's clock; NaN where it has none
   */
  stamped(latencyMs: number | undefined, sentMs: number): void
  /** Events may have come outside of `scan()`. */
  decoded(): void
  /** After `end()`, or at once where it cannot go on: all events have come, or what is wrong with the body. */
  ended(error?: Error): void
}
