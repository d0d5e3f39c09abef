import type { ResponseSink } from './response-sink.ts'

/**
 * Streams that are checked in one turn of the event loop: each may cost a system call, and new clients wait meanwhile.
 */
const SINKS_PER_TURN = 32

/**
 * Sends a comment to each silent stream. One timer serves all streams of a route.
 *
 * The timer fires twice per `heartbeatMs`. If nothing was sent on a stream since the last time, it sends a comment
 * there: no silence lasts longer than `heartbeatMs`. This costs a flag for each stream, and sending an event reads no
 * clock. If there are many streams, they are checked over several turns of the event loop.
 */
export class Heartbeat {
  readonly #heartbeatMs: number
  readonly #sinks = new Set<ResponseSink>()
  #timer: NodeJS.Timeout | undefined
  /** Defined during a beat: the streams that are not yet checked. */
  #unseen: Iterator<ResponseSink> | undefined

  constructor(heartbeatMs: number) {
    this.#heartbeatMs = heartbeatMs
  }

  add(sink: ResponseSink): void {
    sink.touched = true
    this.#sinks.add(sink)
    this.#timer ??= setInterval(this.#beat, this.#heartbeatMs / 2).unref()
  }

  /**
   * The timer goes on until a beat finds no stream: to restart it for each short stream would cost more than a beat.
   */
  delete(sink: ResponseSink): void {
    this.#sinks.delete(sink)
  }

  readonly #beat = (): void => {
    // The last beat is not done yet.
    if (this.#unseen !== undefined) return
    if (this.#sinks.size === 0) {
      clearInterval(this.#timer)
      this.#timer = undefined
      return
    }
    this.#unseen = this.#sinks.values()
    this.#look()
  }

  readonly #look = (): void => {
    for (let seen = 0; seen < SINKS_PER_TURN; seen++) {
      const { value: sink, done } = (this.#unseen as Iterator<ResponseSink, undefined>).next()
      if (done === true) {
        this.#unseen = undefined
        return
      }
      beat(sink)
    }
    setImmediate(this.#look)
  }
}

function beat(sink: ResponseSink): void {
  sink.lookBehind()
  // A comment that is sent sets the flag again: the next one follows after a whole `heartbeatMs`.
  if (sink.touched || !sink.beat()) sink.touched = false
}
