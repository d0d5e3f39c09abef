import type { ElsewhereTask } from '../../runtime/executor.ts'
import type { CloseReason } from '../../sse/stream.ts'
import { FrameKind } from './frames.ts'
import { Incoming, type IncomingEvents } from './incoming.ts'
import type { Frame, ToFarEnd } from './link.ts'
import { orderOf } from './order.ts'

/**
 * The server's end of a stream whose producer runs at the other end of a link.
 *
 * @example
 * const near = new NearEnd(task, (message) => child.send({ stream, message }))
 * child.on('message', ({ frame }) => near.take(frame))
 */
export class NearEnd {
  readonly #incoming: Incoming
  readonly #send: (message: ToFarEnd) => void
  /** The last `drained` that was sent. */
  #told = 0
  #isOver = false
  readonly #events: IncomingEvents<Incoming> = {
    started: () => {},
    ended: () => {
      this.#isOver = true
    },
  }

  /**
   * Sends the order.
   *
   * @param task that an executor's `run()` was given
   * @param send carries a message to the far end
   */
  constructor(task: ElsewhereTask, send: (message: ToFarEnd) => void) {
    this.#incoming = new Incoming(task)
    this.#send = send
    send({ order: orderOf(task) })
  }

  /** The last frame has come, or the far end is lost: no more frames are taken. */
  get isOver(): boolean {
    return this.#isOver
  }

  /**
   * Takes what the far end has sent. A frame that makes no sense loses the stream.
   */
  take({ kind, payload = NOTHING, events = 0 }: Frame): void {
    if (this.#isOver) return
    const bytes = Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength)
    try {
      if (kind !== FrameKind.DATA && kind !== FrameKind.CODED) {
        this.#incoming.control(kind, bytes, this.#events)
      } else if (this.#incoming.events(kind, bytes, events)) {
        this.#settle()
      } else {
        void this.#incoming.whenReady(() => this.#settle())
      }
    } catch (error) {
      this.lose(error instanceof Error ? error : new Error('a frame that makes no sense', { cause: error }))
    }
  }

  /** For the executor's `cancel()`: tells the far end. */
  cancel(reason: CloseReason): void {
    if (!this.#isOver) this.#send({ closed: reason })
  }

  /** What ran the producer has died. Does nothing for a stream that is over. */
  lose(error: Error): void {
    if (this.#isOver) return
    this.#isOver = true
    this.#incoming.task.lose(error)
  }

  /**
   * Sends how far the client is: each time that it has taken half of the high-water mark, and at once where the far end
   * may be waiting, since it counts all that was not reported as under way.
   */
  #settle(): void {
    const { drained, received, task } = this.#incoming
    const { highWaterMark } = task.options
    const isDue = drained - this.#told >= highWaterMark / 2 || received - this.#told > highWaterMark
    if (this.#isOver || !isDue || drained === this.#told) return
    this.#told = drained
    this.#send({ drained })
  }
}

const NOTHING = new Uint8Array()
