import type { ResponseSink } from './response-sink.ts'

/** Streams that one turn of the event loop looks at: each may cost a system call, and new clients wait for it. */
const SINKS_PER_TURN = 32

/**
 * Sends a comment to each stream that has been silent, from one timer for all streams of a rhythm.
 *
 * The timer looks twice per rhythm and sends where nothing has moved since its last look, so that no silence
 * lasts longer than `heartbeatMs`. That costs a stream one flag, and no clock is read when an event is sent. A look
 * at many streams is spread over turns of the event loop.
 */
export class Heartbeat {
  readonly #heartbeatMs: number
  readonly #sinks = new Set<ResponseSink>()
  #timer: NodeJS.Timeout | undefined
  /** Set while a look goes on: the streams that it has still to look at. */
  #unseen: Iterator<ResponseSink> | undefined

  constructor(heartbeatMs: number) {
    this.#heartbeatMs = heartbeatMs
  }

  add(sink: ResponseSink): void {
    sink.touched = true
    this.#sinks.add(sink)
    this.#timer ??= setInterval(this.#beat, this.#heartbeatMs / 2).unref()
  }

  /** The timer is stopped when it finds nobody: short streams would else set one each, which costs more than a beat. */
  delete(sink: ResponseSink): void {
    this.#sinks.delete(sink)
  }

  readonly #beat = (): void => {
    // A look that outlasts half a rhythm is not overtaken by the next.
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
  // What is sent counts as a move, so that the next look passes over it.
  if (sink.touched || !sink.beat()) sink.touched = false
}
