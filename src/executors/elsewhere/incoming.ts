import type { ElsewhereTask } from '../../runtime/executor.ts'
import { unpackPieces } from './coded-frame.ts'
import { decodeError } from './error-transport.ts'
import { FrameKind, FramesInvalid, type EventsKind } from './frames.ts'
import { readLine, writeLine } from './log.ts'

/** Callbacks of an executor for the start and the end of a producer. */
export interface IncomingEvents<Stream extends Incoming> {
  /** The producer starts. Called after `task.start()`. */
  started(stream: Stream): void
  /**
   * The last frame has come. Called before `task.end()` or `task.fail()`.
   *
   * @param unloaded the error of the producer's module, if the producer never started
   */
  ended(stream: Stream, unloaded: Error | undefined): void
}

/** The server's side of one stream whose producer runs elsewhere: takes its frames, and passes them to its task. */
export class Incoming {
  readonly task: ElsewhereTask
  /** True once its producer has started. Before that, its module may still be loading. */
  started = false
  /** Bytes of events received. */
  received = 0
  /** The parts so far of an event that is too large for one frame. */
  readonly #parts: Uint8Array[] = []
  /** True while {@link whenReady} waits for a client that is behind. */
  behind = false

  constructor(task: ElsewhereTask) {
    this.task = task
  }

  /** Bytes received that the kernel has taken. The producer's side subtracts them from what it has written. */
  get drained(): number {
    return this.received - this.task.sink.buffered
  }

  /**
   * Takes a frame of events.
   *
   * @returns false if more than `highWaterMark` bytes wait for the client, or if the stream is closed
   * @throws FramesInvalid if the frame is coded and the stream is not, or the other way round
   */
  events(kind: EventsKind, bytes: Buffer, count: number): boolean {
    const { sink, coded } = this.task
    const isCoded = kind === FrameKind.CODED
    if (isCoded !== (coded !== undefined)) throw new FramesInvalid(`coded: ${isCoded}`)
    const whole = this.#parts.length === 0 ? bytes : Buffer.concat([...this.#parts.splice(0), bytes])
    this.received += whole.byteLength
    if (!isCoded) return sink.write(whole, count)
    const { blocks, checksum } = unpackPieces(whole)
    return sink.writeCoded(blocks, count, checksum)
  }

  /**
   * Takes a frame of any other kind.
   *
   * @throws FramesInvalid, or what decoding its payload throws. The caller can still call `task.lose()`
   */
  control<Stream extends Incoming>(
    this: Stream,
    kind: FrameKind,
    payload: Uint8Array,
    events: IncomingEvents<Stream>,
  ): void {
    const { task } = this
    if (kind !== FrameKind.PART && this.#parts.length > 0) throw new FramesInvalid('an event without its end')
    switch (kind) {
      case FrameKind.PART:
        this.#parts.push(Uint8Array.from(payload))
        break
      case FrameKind.START:
        this.started = true
        task.start()
        events.started(this)
        break
      case FrameKind.LEFT_OPEN:
        task.leftOpen()
        break
      case FrameKind.CLOSE:
        task.close()
        break
      case FrameKind.DONE:
        events.ended(this, undefined)
        task.end()
        break
      case FrameKind.ERROR: {
        // Decoded first: if that throws, the stream has not ended yet and can be lost.
        const error = decodeError(payload)
        // Before the start, only loading the module can have thrown.
        events.ended(this, this.started ? undefined : (error as Error))
        task.fail(error)
        break
      }
      case FrameKind.LOG:
        writeLine(task.log, readLine(payload))
        break
      default:
        throw new FramesInvalid(`kind ${kind}`)
    }
  }

  /**
   * Calls back once at most `highWaterMark` bytes wait for the client. Until then the far end may wait and send no
   * event.
   */
  async whenReady(onReady: () => void): Promise<void> {
    if (this.behind || this.task.sink.closed) return
    const { sink, options } = this.task
    this.behind = true
    let isOpen = await sink.ready()
    // If frames came between the moment in which the client had caught up and this line, it may be behind again. They
    // have not called for another wait, since this one was not over.
    while (isOpen && sink.buffered > options.highWaterMark) isOpen = await sink.ready()
    this.behind = false
    if (isOpen) onReady()
  }
}
