import type { ElsewhereTask } from '../../runtime/executor.ts'
import { unpackPieces } from './coded-frame.ts'
import { decodeError } from './error-transport.ts'
import { FrameKind, FramesInvalid, type EventsKind } from './frames.ts'
import { readLine, writeLine } from './log.ts'

/** What an executor does at the turns of a stream's life, beside what its task is told. */
export interface IncomingEvents<Stream extends Incoming> {
  /** The producer starts: its task was told. */
  started(stream: Stream): void
  /**
   * The last frame has come: its task is told next.
   *
   * @param unloaded what the producer's module failed of, where it did not come to a start
   */
  ended(stream: Stream, unloaded: Error | undefined): void
}

/** One stream whose producer runs elsewhere, as the server's thread sees it: frames come in, and go to its task. */
export class Incoming {
  readonly task: ElsewhereTask
  /** Its producer has started: before, its module may still be loading. */
  started = false
  /** Bytes of events that came. */
  received = 0
  /** Pieces of an event that is too large for one frame. */
  readonly #parts: Uint8Array[] = []
  /** Its client is behind: somebody waits to tell the producer's side when there is room. */
  behind = false

  constructor(task: ElsewhereTask) {
    this.task = task
  }

  /** Bytes of what came that the client's kernel has: what the producer's side counts as its credit. */
  get drained(): number {
    return this.received - this.task.sink.buffered
  }

  /**
   * Takes events.
   *
   * @returns false when the client is behind, or has left
   * @throws FramesInvalid
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
   * @throws FramesInvalid, or what reading its payload throws; the task can still be told that it is lost
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
        // First: a stream whose error can't be read is still there to be lost.
        const error = decodeError(payload)
        // Before its start only what finds it can have thrown.
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

  /** Calls back once its client, which is behind, has room again: then nothing comes that would tell of it. */
  async whenReady(tell: () => void): Promise<void> {
    if (this.behind || this.task.sink.closed) return
    this.behind = true
    const isOpen = await this.task.sink.ready()
    this.behind = false
    if (isOpen) tell()
  }
}
