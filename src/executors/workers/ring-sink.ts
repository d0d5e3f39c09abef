import type { Compressor } from '../../sse/compression.ts'
import type { Sink } from '../../sse/sink.ts'
import { packPiece } from '../elsewhere/coded-frame.ts'
import { FrameKind } from '../elsewhere/frames.ts'
import type { Debtor } from './credit.ts'
import { LINE_FRAME_BYTES, type RingWriter } from './ring.ts'

export interface SinkLimits {
  /** Bytes over which `write()` returns false. */
  readonly highWaterMark: number
  /** Bytes over which `write()` blocks; undefined if it never does. */
  readonly blockOver: number | undefined
}

/** The sink on a worker. It writes to the thread's ring, and reads from shared memory how much the client has taken. */
export class RingSink implements Sink {
  readonly #ring: RingWriter
  readonly #stream: number
  readonly #credit: Debtor
  readonly #highWaterMark: number
  readonly #blockOver: number | undefined
  readonly #compressor: Compressor | undefined
  #ended = false
  #ready: { promise: Promise<boolean>; resolve: (open: boolean) => void } | undefined
  readonly #whenClosed: (() => void)[] = []

  /** @param compressor compresses the body here, if there is one */
  constructor(ring: RingWriter, stream: number, credit: Debtor, limits: SinkLimits, compressor?: Compressor) {
    this.#ring = ring
    this.#stream = stream
    this.#credit = credit
    this.#highWaterMark = limits.highWaterMark
    this.#blockOver = limits.blockOver
    this.#compressor = compressor
  }

  get closed(): boolean {
    return this.#ended || this.#credit.closed
  }

  /** When it returns, the bytes are in shared memory. They reach the client whatever this thread does next. */
  write(text: string, events: number): boolean {
    return this.#write(text, Buffer.byteLength(text), events, false)
  }

  writeLine(line: string): boolean {
    if (this.#compressor !== undefined) return this.write(`data: ${line}\n\n`, 1)
    return this.#write(line, Buffer.byteLength(line) + LINE_FRAME_BYTES, 1, true)
  }

  #write(text: string, length: number, events: number, framed: boolean): boolean {
    if (this.closed) return false
    if (this.#blockOver !== undefined && !this.#fits(length)) {
      this.#wait(() => this.#fits(length), Infinity)
      if (this.closed) return false
    }
    if (this.#compressor === undefined) {
      this.#ring.writeText(this.#stream, text, length, events, framed)
      this.#credit.written(length)
    } else {
      const piece = packPiece(this.#compressor.compress(Buffer.from(text)), this.#compressor.checksum)
      this.#ring.writeCoded(this.#stream, piece, events)
      this.#credit.written(piece.length)
    }
    return this.#below()
  }

  async ready(): Promise<boolean> {
    if (this.closed) return false
    if (this.#ready === undefined) {
      this.#credit.askForMessage()
      if (this.closed) return false
      if (this.#below()) return true
      this.#ring.hurry()
      let resolve!: (open: boolean) => void
      const promise = new Promise<boolean>((settle) => (resolve = settle))
      this.#ready = { promise, resolve }
    }
    return this.#ready.promise
  }

  readySync(timeoutMs: number): boolean {
    this.#wait(() => this.#below(), timeoutMs)
    return !this.closed && this.#below()
  }

  end(): void {
    if (this.closed) return
    this.#ended = true
    this.#ring.write(this.#stream, FrameKind.CLOSE)
    this.wake()
  }

  /** The producer has finished. For code that still holds the stream, `closed` is true from now on. */
  finish(): void {
    this.#ended = true
    this.#compressor?.close()
    this.wake()
  }

  /** Checks the words again, after a message of the server's thread. */
  wake(): void {
    const { closed } = this
    if (closed) for (const resolve of this.#whenClosed.splice(0)) resolve()
    const ready = this.#ready
    if (ready === undefined) return
    if (!closed && !this.#below()) {
      this.#credit.askForMessage()
      // The words may have changed before the request.
      if (!this.closed && !this.#below()) return
    }
    this.#ready = undefined
    ready.resolve(!this.closed)
  }

  /** Resolves when the stream is closed, by its producer or from outside. */
  async untilClosed(): Promise<void> {
    if (!this.closed) await new Promise<void>((resolve) => this.#whenClosed.push(resolve))
  }

  #wait(holds: () => boolean, timeoutMs: number): void {
    this.#ring.hurry()
    this.#credit.waitUntil(() => this.closed || holds(), timeoutMs)
  }

  /**
   * True if so many bytes may be written without a wait. Below the high-water mark any number may: the server's thread
   * does not report what the client takes there, so that a wait could last for ever.
   */
  #fits(length: number): boolean {
    return this.#below() || this.#credit.owed + length <= (this.#blockOver ?? Infinity)
  }

  #below(): boolean {
    return this.#credit.owed <= this.#highWaterMark
  }
}
