import type { ResponseSink } from './response-sink.ts'

/**
 * Sends a comment to each stream that has been silent, from one timer for all streams of a rhythm.
 *
 * The timer looks twice per rhythm and sends where nothing has moved since its last look, so that no silence
 * lasts longer than `heartbeatMs`. That costs a stream one flag, and no clock is read when an event is sent.
 */
export class Heartbeat {
  readonly #heartbeatMs: number
  readonly #sinks = new Set<ResponseSink>()
  #timer: NodeJS.Timeout | undefined

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
    if (this.#sinks.size === 0) {
      clearInterval(this.#timer)
      this.#timer = undefined
    }
    for (const sink of this.#sinks) {
      if (!sink.touched) sink.beat()
      sink.touched = false
    }
  }
}
