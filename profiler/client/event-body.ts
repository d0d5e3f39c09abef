/** What a client makes of the events that it receives. */
export interface EventBody {
  /** Events so far. */
  readonly events: number
  /** Bytes of the body so far, comments included. */
  readonly bytes: number
  /** False once an event's number was not its place in the stream, from 0. */
  readonly inSequence: boolean
  /** Where events are stamped: when each was sent, on the host's clock, and how long it then took to arrive. */
  readonly stampsMs?: readonly number[]
  readonly latenciesMs?: readonly number[]
  /** Empties both, where streams last for long. */
  forgetTimes?(): void

  scan(chunk: Buffer, from: number, to: number): void
}

/** What is known of events beforehand, so that reading them costs less, or tells more. */
export interface EventShape {
  /** Bytes of each event on the wire. There must be no comments then. */
  bytes: number
  /** Whether each event holds, after its number, the time when it was sent, in ns on the host's clock. */
  stamped: boolean
}
