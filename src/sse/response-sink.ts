/** Long, because flush modes and bounds meet at the one place where bytes leave, in order. */
import { Backlog, type Chunk, type DropPolicy } from './backlog.ts'
import type { Checksum, ContentCoding } from './compression.ts'
import { HEARTBEAT } from './event.ts'
import { CompressedBody, ForwardedBody, PLAIN, type ResponseBody } from './response-body.ts'
import type { Sink } from './sink.ts'

/**
 * When an event goes to the kernel.
 *
 * - `event`: before `send()` returns, so that a producer may block right after it (one system call an event)
 * - `tick`: at the end of the event loop's turn, all that the turn sent in one write
 */
export type FlushMode = 'event' | 'tick'

/** The part of `http.ServerResponse` that a sink writes to. */
export interface WritableResponse {
  readonly socket: { readonly destroyed: boolean } | null
  readonly writableLength: number
  cork(): void
  uncork(): void
  write(chunk: string | Uint8Array, callback: () => void): boolean
}

export interface ResponseSinkSettings {
  flush: FlushMode
  /** Bytes over which `write()` answers false. */
  highWaterMark: number
  /** Bytes over which events are dropped as `drop` says, or else `onOverflow` is called. */
  maxBuffered: number
  drop?: DropPolicy | undefined
  onOverflow: () => void
  /** Called once, when the first event is taken. */
  onFirstEvent?: () => void
  /** Called at each look of the heartbeat where the client has still to take something, be it the end. */
  onBehind?: () => void
  /** Ends the response: all that was taken has been handed over. */
  onEnd: () => void
}

/** In `tick` mode a write leaves before the turn's end once it has this many bytes. */
const WRITE_BYTES = 65_536

/** A code unit of UTF-16 takes at most so many bytes in UTF-8 (a pair of them four). */
const MOST_BYTES_PER_UNIT = 3

/**
 * The sink on the server's thread: it writes an HTTP response.
 *
 * Bytes wait in one of two places: in the response (handed over, but not yet taken by the kernel), or here, in the
 * backlog. In mode `event` nothing waits here as long as the kernel takes all. Once it does not, all that comes
 * waits here until the response is empty, and then leaves in one write; where events may be dropped in several,
 * since what was handed over can no longer be.
 *
 * A coded body is compressed at the hand-over, or on the thread that the producer runs on.
 */
export class ResponseSink implements Sink {
  readonly #response: WritableResponse
  readonly #settings: ResponseSinkSettings
  readonly #backlog = new Backlog()
  /** Bytes up to which nothing has to be done before the turn's end. */
  readonly #leastLimit: number
  /** Bytes that are handed over at once. */
  readonly #portion: number
  /** Set while a turn of the loop is awaited in mode `tick`. */
  #immediate: NodeJS.Immediate | undefined
  #ready: PromiseWithResolver<boolean> | undefined
  #closed = false
  #body: ResponseBody = PLAIN

  /**
   * In mode `tick`: what came last, and whose bytes are not counted yet. Counting the bytes of each short text would
   * take longer than all else that is done for it here; so they are counted for many at once, as soon as they could
   * matter for a limit.
   */
  #uncounted = ''
  #bytes = 0

  /** Events taken so far. */
  events = 0
  /** When the first event was taken, on the clock of `performance.now()`. */
  firstEventAt: number | undefined
  /** True when something was taken since it was last set to false: what a heartbeat looks at. */
  touched = false

  constructor(response: WritableResponse, settings: ResponseSinkSettings) {
    this.#response = response
    this.#settings = settings
    this.#leastLimit = Math.min(settings.highWaterMark, settings.maxBuffered, WRITE_BYTES)
    // Half of the bound at most, so that the other half is left for newer events.
    this.#portion = settings.drop === undefined ? Infinity : Math.min(WRITE_BYTES, settings.maxBuffered / 2)
  }

  get closed(): boolean {
    return this.#closed
  }

  /** Bytes of the body taken so far, before compression and without HTTP's own framing. */
  get bytes(): number {
    this.#countText()
    return this.#bytes
  }

  /** Bytes taken that the kernel has not. */
  get buffered(): number {
    this.#countText()
    return this.#response.writableLength + this.#backlog.bytes
  }

  /** Events that were taken, and then dropped for a slow client. */
  get dropped(): number {
    return this.#backlog.dropped
  }

  /** The body is to be compressed here. To be called before anything is written. */
  compress(coding: ContentCoding): void {
    this.#body = new CompressedBody(coding)
  }

  /**
   * The body is compressed elsewhere, and comes through {@link writeCoded}. To be called before anything is written.
   *
   * @param firstWords what it begins with there; written here where nothing ever comes
   */
  expectCoded(coding: ContentCoding, firstWords: string): void {
    this.#body = new ForwardedBody(coding, firstWords)
  }

  write(chunk: Chunk, events: number): boolean {
    if (this.#closed) return false
    const body = this.#body
    if (this.#settings.flush === 'tick' && typeof chunk === 'string' && body.keep === undefined) {
      return this.#takeText(chunk, events)
    }
    this.#countText()
    const length = Buffer.byteLength(chunk)
    this.#count(events, length)
    if (body.keep === undefined) return this.#take(chunk, length)
    body.keep(chunk)
    return true
  }

  #takeText(text: string, events: number): boolean {
    this.#count(events, 0)
    this.#uncounted += text
    const most =
      this.#response.writableLength + this.#backlog.bytes + this.#uncounted.length * MOST_BYTES_PER_UNIT
    if (most < this.#leastLimit) {
      this.#immediate ??= setImmediate(this.#onTurn)
      return true
    }
    this.#countText()
    return this.#settle()
  }

  #countText(): void {
    if (this.#uncounted === '') return
    const text = this.#uncounted
    this.#uncounted = ''
    const length = Buffer.byteLength(text)
    this.#bytes += length
    this.#backlog.add(text, length)
  }

  /**
   * Takes whole blocks of a body that is compressed elsewhere.
   *
   * @param checksum of the body so far, these included
   */
  writeCoded(blocks: Uint8Array, events: number, checksum: Readonly<Checksum>): boolean {
    if (this.#closed) return false
    this.#count(events, this.#body.advance?.(checksum) ?? blocks.byteLength)
    return this.#take(blocks, blocks.byteLength)
  }

  #count(events: number, bytes: number): void {
    if (events > 0 && this.events === 0) {
      this.firstEventAt = performance.now()
      this.#settings.onFirstEvent?.()
    }
    this.events += events
    this.#bytes += bytes
    this.touched = true
  }

  #take(chunk: Chunk, length: number): boolean {
    this.#backlog.add(chunk, length)
    return this.#settle()
  }

  /** Sees to it that what waits leaves when it should, and looks at the limits. */
  #settle(): boolean {
    const { flush, highWaterMark, maxBuffered } = this.#settings
    const { bytes } = this.#backlog
    // What only waits for the end of the turn may well go before it is too much.
    if (flush === 'event' || bytes >= WRITE_BYTES || bytes > maxBuffered) this.#flush()
    else this.#immediate ??= setImmediate(this.#onTurn)
    const buffered = this.#response.writableLength + this.#backlog.bytes
    if (buffered <= highWaterMark) return true
    if (buffered > maxBuffered) this.#overflow()
    return false
  }

  #overflow(): void {
    const { drop, maxBuffered, onOverflow } = this.#settings
    if (drop === undefined) onOverflow()
    else this.#backlog.drop(drop, Math.max(0, maxBuffered - this.#response.writableLength))
  }

  async ready(): Promise<boolean> {
    if (this.#closed) return false
    if (this.buffered <= this.#settings.highWaterMark) return true
    this.#ready ??= promiseWithResolver()
    return this.#ready.promise
  }

  /** Calls `onBehind` where the client has still to take something. */
  lookBehind(): void {
    if (this.#settings.onBehind !== undefined && (this.#closed || this.buffered > 0))
      this.#settings.onBehind()
  }

  /**
   * A sign of life, unless the client is behind: then it needs none, and its buffer should not grow for one.
   *
   * @returns whether it was sent
   */
  beat(): boolean {
    if (this.#closed || this.buffered > 0) return false
    const sign = this.#body.heartbeat?.()
    if (sign === undefined) return this.write(HEARTBEAT, 0)
    this.#respond(sign)
    return (this.touched = true)
  }

  end(): void {
    if (this.#closed) return
    this.#countText()
    // No system call of its own: it leaves with the end of the response.
    if (this.#backlog.bytes > 0) this.#write(this.#body.encode(this.#backlog.take()))
    const end = this.#body.end?.()
    if (end !== undefined) {
      this.#count(0, end.bytes)
      this.#write([end.chunk])
    }
    this.#close()
    this.#settings.onEnd()
  }

  /** Takes nothing more, and drops what still waits here. */
  destroy(): void {
    this.#countText()
    this.#backlog.clear()
    this.#close()
  }

  #close(): void {
    this.#closed = true
    this.#body.close?.()
    if (this.#immediate !== undefined) clearImmediate(this.#immediate)
    this.#ready?.resolve(false)
    this.#ready = undefined
  }

  /** Ends the turn early in mode `tick`: what waits for its end leaves now. */
  endTurn(): void {
    if (this.#immediate === undefined) return
    clearImmediate(this.#immediate)
    this.#onTurn()
  }

  /** Hands what waits here to the response, unless that is still busy with what it has. */
  #flush(): void {
    this.#countText()
    while (this.#backlog.bytes > 0 && this.#response.writableLength === 0) {
      this.#respond(this.#body.encode(this.#backlog.take(this.#portion)))
    }
  }

  #respond(chunks: Chunk[]): void {
    const response = this.#response
    // Under the response's own cork the writes become one system call, made before uncork() returns. Without it
    // Node would hold a second write back until the next tick.
    response.cork()
    this.#write(chunks)
    response.uncork()
  }

  #write(chunks: Chunk[]): void {
    const response = this.#response
    if (chunks.length === 1) response.write(chunks[0] as Chunk, this.#onWritten)
    else if (chunks.every((chunk) => typeof chunk === 'string'))
      response.write(chunks.join(''), this.#onWritten)
    else for (const chunk of chunks) if (chunk.length > 0) response.write(chunk, this.#onWritten)
  }

  readonly #onTurn = (): void => {
    this.#immediate = undefined
    this.#flush()
  }

  readonly #onWritten = (): void => {
    // Node also calls back, without an error, for what was lost with its socket. A producer that waits is then told when
    // the response closes.
    if (this.#closed || this.#response.socket?.destroyed === true) return
    this.#flush()
    if (this.#ready !== undefined && this.buffered <= this.#settings.highWaterMark) {
      this.#ready.resolve(true)
      this.#ready = undefined
    }
  }
}

interface PromiseWithResolver<T> {
  promise: Promise<T>
  resolve: (value: T) => void
}

/** `Promise.withResolvers()`, which Node has from 22 on. */
function promiseWithResolver<T>(): PromiseWithResolver<T> {
  let resolve!: (value: T) => void
  const promise = new Promise<T>((settle) => (resolve = settle))
  return { promise, resolve }
}
