import { markProducerThread } from '../../runtime/producer-thread.ts'
import type { Sink } from '../../sse/sink.ts'
import type { CloseReason, EventStream } from '../../sse/stream.ts'
import { FrameKind } from './frames.ts'
import type { Frame, ToFarEnd } from './link.ts'
import { loadProducer } from './load-producer.ts'
import type { Order } from './order.ts'
import { close, produce } from './produce.ts'

/**
 * The producer's end of a stream over a link.
 *
 * From the first `FarEnd` on, this thread runs producers: if a module registers headfirst here, its stream ends with
 * HF_ERR_SERVER_ON_THREAD.
 *
 * @example
 * const far = new FarEnd(message.order, (frame) => process.send?.({ stream, frame }))
 * await far.run()
 *
 * @see `examples/own-executor/child.js`, a whole process of far ends
 */
export class FarEnd {
  readonly #order: Order
  readonly #send: (frame: Frame) => void
  readonly #sink: LinkSink
  #stream: EventStream | undefined
  #reason: CloseReason | undefined

  /**
   * @param order from the first message of the near end
   * @param send sends a frame to the near end, after all frames before it
   */
  constructor(order: Order, send: (frame: Frame) => void) {
    markProducerThread()
    this.#order = order
    this.#send = send
    this.#sink = new LinkSink(send, order.highWaterMark)
  }

  /**
   * Imports the module and runs the producer. Resolves when the producer has finished or failed; never rejects, also if
   * the link fails to send.
   */
  async run(): Promise<void> {
    try {
      await this.#produce()
    } catch {
      // The link did not take the last frame. At the near end its loss ends the stream.
    }
    this.#sink.close()
  }

  async #produce(): Promise<void> {
    const reason = (): CloseReason | undefined => this.#reason
    await produce(this.#order, {
      sink: this.#sink,
      load: loadProducer,
      get reason() {
        return reason()
      },
      send: (kind, payload) => this.#send(payload === undefined ? { kind } : { kind, payload }),
      opened: (stream) => {
        this.#stream = stream
        close(stream, this.#reason)
      },
    })
  }

  /**
   * Takes a message of the near end, except the order. When the link is gone, call it with `{ closed: 'lost' }`:
   * otherwise the producer goes on for ever.
   */
  take(message: ToFarEnd): void {
    if ('drained' in message) {
      this.#sink.drained(message.drained)
    } else if ('closed' in message) {
      this.#reason ??= message.closed
      if (this.#stream !== undefined) close(this.#stream, this.#reason)
      this.#sink.close()
    }
  }
}

/** Sends each event as a frame, and counts the bytes that the client has not taken. */
class LinkSink implements Sink {
  readonly #send: (frame: Frame) => void
  readonly #highWaterMark: number
  #written = 0
  #drained = 0
  #closed = false
  #ready: ((isOpen: boolean) => void)[] = []
  #whenClosed: (() => void)[] = []

  constructor(send: (frame: Frame) => void, highWaterMark: number) {
    this.#send = send
    this.#highWaterMark = highWaterMark
  }

  get closed(): boolean {
    return this.#closed
  }

  get #isBelow(): boolean {
    return this.#written - this.#drained <= this.#highWaterMark
  }

  write(chunk: string | Uint8Array, events: number): boolean {
    if (this.#closed) return false
    const payload = typeof chunk === 'string' ? Buffer.from(chunk) : chunk
    this.#written += payload.byteLength
    this.#send({ kind: FrameKind.DATA, payload, events })
    return this.#isBelow
  }

  async ready(): Promise<boolean> {
    if (this.#closed) return false
    return this.#isBelow || new Promise((resolve) => this.#ready.push(resolve))
  }

  end(): void {
    if (this.#closed) return
    this.#send({ kind: FrameKind.CLOSE })
    this.close()
  }

  drained(bytes: number): void {
    this.#drained = Math.max(this.#drained, bytes)
    if (this.#isBelow) for (const resolve of this.#ready.splice(0)) resolve(!this.#closed)
  }

  close(): void {
    this.#closed = true
    for (const resolve of this.#ready.splice(0)) resolve(false)
    for (const resolve of this.#whenClosed.splice(0)) resolve()
  }

  async untilClosed(): Promise<void> {
    if (!this.#closed) await new Promise<void>((resolve) => this.#whenClosed.push(resolve))
  }
}
