import { types } from 'node:util'
import { isObject } from '../../runtime/option-rules.ts'
import type { ElsewhereTask } from '../../runtime/executor.ts'
import { show } from '../../sse/event.ts'
import type { CloseReason } from '../../sse/stream.ts'
import { FrameKind, FramesInvalid } from './frames.ts'
import { Incoming, type IncomingEvents } from './incoming.ts'
import type { Frame, ToFarEnd } from './link.ts'
import { orderOf } from './order.ts'

/**
 * The server's end of a stream whose producer runs at the other end of a link. Make it in an executor's `run()`.
 *
 * @example
 * const near = new NearEnd(task, (message) => child.send({ stream, message }))
 * child.on('message', ({ frame }: { frame: Frame }) => near.take(frame))
 *
 * @see `examples/own-executor/in-a-process.js`, a whole executor
 */
export class NearEnd {
  readonly #incoming: Incoming
  readonly #send: (message: ToFarEnd) => void
  /** The last value of `drained` that was sent to the far end. */
  #reported = 0
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
   * @param task the task of an executor's `run()`, checked by {@link checkPortable} before
   * @param send sends a message to the far end, after all messages before it
   */
  constructor(task: ElsewhereTask, send: (message: ToFarEnd) => void) {
    this.#incoming = new Incoming(task)
    this.#send = send
    send({ order: orderOf(task) })
  }

  /** True once the last frame has come, or the far end is lost. No more frames are taken. */
  get isOver(): boolean {
    return this.#isOver
  }

  /**
   * Takes a frame of the far end. If the frame is invalid, the stream ends as `lost`, and the far end gets the close:
   * its producer may still run.
   *
   * The payload's bytes may wait for the client, so they must not change later.
   */
  take(frame: Frame): void {
    if (this.#isOver) return
    try {
      this.#take(checked(frame))
    } catch (error) {
      this.#abandon(error)
    }
  }

  #take({ kind, payload = NOTHING, events = 0 }: Frame): void {
    const bytes = Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength)
    if (kind !== FrameKind.DATA && kind !== FrameKind.CODED) {
      this.#incoming.control(kind, bytes, this.#events)
    } else if (this.#incoming.events(kind, bytes, events)) {
      this.#settle()
    } else {
      void this.#settleWhenReady()
    }
  }

  /** Sends the far end the reason for which the stream was closed. Call it in the executor's `cancel()`. */
  cancel(reason: CloseReason): void {
    if (!this.#isOver) this.#send({ closed: reason })
  }

  /** Ends the stream as `lost`, because what ran the producer has died. Does nothing if the stream is over. */
  lose(error: Error): void {
    if (this.#isOver) return
    this.#isOver = true
    this.#incoming.task.lose(error)
  }

  /** Loses a stream whose far end is not known to be gone. */
  #abandon(cause: unknown): void {
    this.lose(cause instanceof Error ? cause : new Error('a frame that makes no sense', { cause }))
    try {
      this.#send({ closed: 'lost' })
    } catch {
      // The link is broken too. At the far end its loss closes the stream.
    }
  }

  async #settleWhenReady(): Promise<void> {
    try {
      await this.#incoming.whenReady(() => this.#settle())
    } catch (error) {
      this.#abandon(error)
    }
  }

  /**
   * Sends `drained`: each time that the client has taken half of the high-water mark, and at once if the far end may be
   * waiting. The far end counts a byte as waiting for the client until it is reported.
   */
  #settle(): void {
    const { drained, received, task } = this.#incoming
    const { highWaterMark } = task.options
    const isDue = drained - this.#reported >= highWaterMark / 2 || received - this.#reported > highWaterMark
    if (this.#isOver || !isDue || drained === this.#reported) return
    this.#reported = drained
    this.#send({ drained })
  }
}

const NOTHING = new Uint8Array()

/**
 * A far end of another version, or a link that changes what it carries (JSON makes a plain object of bytes), must not
 * cause an error outside of its stream.
 */
function checked(frame: Frame): Frame {
  if (!isObject(frame)) throw new FramesInvalid(`a frame that is ${show(frame)}, and no object`)
  const { kind, payload, events } = frame
  if (payload !== undefined && !types.isUint8Array(payload)) {
    throw new FramesInvalid(`a frame of kind ${kind} whose payload is ${show(payload)}, and no Uint8Array`)
  }
  if (events !== undefined && !(Number.isSafeInteger(events) && events >= 0)) {
    throw new FramesInvalid(`a frame of kind ${kind} whose number of events is ${show(events)}`)
  }
  return frame
}
