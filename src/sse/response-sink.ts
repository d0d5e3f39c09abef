/** Long, because flush modes and limits together decide the order in which the bytes of a response leave. */
import { Backlog, type Chunk, type DropPolicy } from './backlog.ts'
import { BodyWriter, type WritableResponse } from './body-writer.ts'
import type { Checksum, ContentCoding } from './compression.ts'
import { HEARTBEAT } from './event.ts'
import { CompressedBody, ForwardedBody, PLAIN, type ResponseBody } from './response-body.ts'
import type { SharedEvent } from './shared-event.ts'
import type { Sink } from './sink.ts'

/**
 * When an event is handed to the kernel.
 *
 * - `event`: before `send()` returns, so that a producer may block right after it. One system call per event. Over TLS
 *   and HTTP/2 Node writes later, at the end of the event loop's turn or after it
 * - `tick`: at the end of the event loop's turn, everything that the turn has sent in one write
 */
export type FlushMode = 'event' | 'tick'

export interface ResponseSinkSettings {
  flush: FlushMode
  /** Bytes over which `write()` returns false. */
  highWaterMark: number
  /** Bytes over which events are dropped by the policy `drop`; without one, `onOverflow` is called. */
  maxBuffered: number
  drop?: DropPolicy | undefined
  onOverflow: () => void
  /** Called once, when the first event is taken. */
  onFirstEvent?: () => void
  /** Called at each check of the heartbeat if bytes, or the end of the response, still wait for the client. */
  onBehind?: () => void
  /** Ends the response. Everything that was taken has been handed over. */
  onEnd: () => void
}

/** In mode `tick`, this many bytes (64 KiB) are written before the turn ends. */
const WRITE_BYTES = 65_536

/** Bytes in UTF-8 of one UTF-16 code unit, at most. (A surrogate pair takes four.) */
const MOST_BYTES_PER_UNIT = 3

/**
 * The sink on the server's thread. It writes an HTTP response.
 *
 * Bytes wait in one of two places: in the response (handed over, but not yet taken by the kernel), or in the backlog of
 * this sink. In mode `event`, as long as the kernel takes everything, the backlog stays empty. Otherwise new chunks
 * wait there until the response is empty, and then leave in one write. If events may be dropped, they leave in several
 * writes, because bytes that were handed over can no longer be dropped.
 *
 * A coded body is compressed at the hand-over, or on the producer's thread.
 */
export class ResponseSink implements Sink {
  readonly #response: WritableResponse
  readonly #writer: BodyWriter
  readonly #settings: ResponseSinkSettings
  readonly #backlog = new Backlog()
  /** The smallest limit, in bytes. In mode `tick`, nothing has to be done below it before the turn ends. */
  readonly #leastLimit: number
  /** Bytes that are handed over at a time. */
  readonly #portion: number
  /** Defined in mode `tick` while something waits for the end of the turn. */
  #immediate: NodeJS.Immediate | undefined
  #ready: PromiseWithResolver<boolean> | undefined
  #closed = false
  #body: ResponseBody = PLAIN

  /**
   * In mode `tick`: the newest text, whose bytes are not counted yet. To count the bytes of each short text would cost
   * more than everything else that this sink does for it. So the bytes of many are counted together, as soon as they
   * may exceed a limit.
   */
  #uncounted = ''
  #bytes = 0

  /** Events taken so far. */
  events = 0
  /** When the first event was taken, on the clock of `performance.now()`. */
  firstEventAt: number | undefined
  /** Set to true by each chunk that is taken, and to false by the heartbeat, which sends only where it is false. */
  touched = false

  constructor(response: WritableResponse, settings: ResponseSinkSettings) {
    this.#response = response
    this.#writer = new BodyWriter(response, this.#onEmpty)
    this.#settings = settings
    this.#leastLimit = Math.min(settings.highWaterMark, settings.maxBuffered, WRITE_BYTES)
    // At most half of `maxBuffered`, so that the other half is left for newer events.
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

  /** Bytes that were taken, and that the kernel has not taken yet. */
  get buffered(): number {
    this.#countText()
    return this.#response.writableLength + this.#backlog.bytes
  }

  /** Events that were taken, and then dropped because the client is slow. */
  get dropped(): number {
    return this.#backlog.dropped
  }

  /** Makes this sink compress the body. Call it before anything is written. */
  compress(coding: ContentCoding): void {
    this.#body = new CompressedBody(coding)
  }

  /**
   * Makes this sink expect a body that is compressed elsewhere, by {@link writeCoded}. Call it before anything is
   * written.
   *
   * @param firstWords the first text of the body there. If the stream ends before any block has come, it is sent here
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
    if (body.keep !== undefined) {
      body.keep(chunk)
      return true
    }
    if (body !== PLAIN || !this.#isClear(length)) return this.#take(chunk, length)
    this.#writer.write(chunk, length)
    return this.#check(0)
  }

  writeShared(event: SharedEvent): boolean {
    if (this.#closed || this.#body !== PLAIN || !this.#isClear(event.bytes)) return this.write(event.text, 1)
    this.#count(1, event.bytes)
    this.#writer.writeShared(event)
    return this.#check(0)
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
   * @param checksum of the body so far, these blocks included
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

  /** Hands over what waits, now or at the end of the turn, and checks the limits. */
  #settle(): boolean {
    const { flush, maxBuffered } = this.#settings
    const { bytes } = this.#backlog
    // In mode `tick`, chunks that only wait for the end of the turn must not count as overflow.
    if (flush === 'event' || bytes >= WRITE_BYTES || bytes > maxBuffered) this.#flush()
    else this.#immediate ??= setImmediate(this.#onTurn)
    return this.#check(this.#backlog.bytes)
  }

  /** Nothing waits, so that a chunk may pass the backlog by. */
  #isClear(length: number): boolean {
    return (
      this.#settings.flush === 'event' &&
      this.#backlog.bytes === 0 &&
      length > 0 &&
      length <= this.#portion &&
      this.#response.writableLength === 0
    )
  }

  /** @returns false over the high-water mark */
  #check(waiting: number): boolean {
    const { highWaterMark, maxBuffered } = this.#settings
    const buffered = this.#response.writableLength + waiting
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
    this.#writer.awaitEmpty()
    return this.#ready.promise
  }

  /** Calls `onBehind` if bytes, or the end of the response, still wait for the client. */
  lookBehind(): void {
    if (this.#settings.onBehind !== undefined && (this.#closed || this.buffered > 0))
      this.#settings.onBehind()
  }

  /**
   * Sends a heartbeat. If bytes wait for the client, it sends none: the connection is not idle, and its buffer must not
   * grow.
   *
   * @returns true if it was sent
   */
  beat(): boolean {
    if (this.#closed || this.buffered > 0) return false
    const sign = this.#body.heartbeat?.()
    if (sign === undefined) return this.write(HEARTBEAT, 0)
    this.#writer.writeAll(sign)
    return (this.touched = true)
  }

  end(): void {
    if (this.#closed) return
    this.#countText()
    // Not corked: it leaves in the same system call as the end of the response.
    if (this.#backlog.bytes > 0) this.#writer.writeLast(this.#body.encode(this.#backlog.take()))
    const end = this.#body.end?.()
    if (end !== undefined) {
      this.#count(0, end.bytes)
      this.#writer.writeLast([end.chunk])
    }
    this.#close()
    this.#settings.onEnd()
  }

  /** Closes the sink, and discards what waits in the backlog. */
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

  /** In mode `tick`: hands over now what waits for the end of the turn. */
  endTurn(): void {
    if (this.#immediate === undefined) return
    clearImmediate(this.#immediate)
    this.#onTurn()
  }

  /** Hands what waits here to the response, if the response is empty. */
  #flush(): void {
    this.#countText()
    while (this.#backlog.bytes > 0 && this.#response.writableLength === 0) {
      this.#writer.writeAll(this.#body.encode(this.#backlog.take(this.#portion)))
    }
    if (this.#backlog.bytes > 0) this.#writer.awaitEmpty()
  }

  readonly #onTurn = (): void => {
    this.#immediate = undefined
    this.#flush()
  }

  readonly #onEmpty = (): void => {
    // Node also calls back, without an error, for bytes that were lost with the socket. Then `ready()` resolves when
    // the response closes.
    if (this.#closed || this.#response.socket?.destroyed === true) return
    this.#flush()
    if (this.#ready === undefined) return
    if (this.buffered > this.#settings.highWaterMark) {
      this.#writer.awaitEmpty()
    } else {
      this.#ready.resolve(true)
      this.#ready = undefined
    }
  }
}

interface PromiseWithResolver<T> {
  promise: Promise<T>
  resolve: (value: T) => void
}

/** `Promise.withResolvers()`, which exists from Node 22 on. */
function promiseWithResolver<T>(): PromiseWithResolver<T> {
  let resolve!: (value: T) => void
  const promise = new Promise<T>((settle) => (resolve = settle))
  return { promise, resolve }
}
