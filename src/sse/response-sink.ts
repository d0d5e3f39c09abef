import { Backlog, type Chunk, type DropPolicy } from './backlog.ts'
import { CodedBody, Compressor, type Checksum, type ContentCoding } from './compression.ts'
import { HEARTBEAT } from './event.ts'
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
  /** Ends the response: all that was taken has been handed over. */
  onEnd: () => void
}

/** In `tick` mode a write leaves before the turn's end once it has this many bytes. */
const WRITE_BYTES = 65_536

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
  /** Bytes that are handed over at once. */
  readonly #portion: number
  /** Set while a turn of the loop is awaited in mode `tick`. */
  #immediate: NodeJS.Immediate | undefined
  #ready: PromiseWithResolver<boolean> | undefined
  #closed = false
  #coded: CodedBody | undefined
  /** Set where this sink compresses the body itself. */
  #compressor: Compressor | undefined
  /** Of what was compressed elsewhere. */
  #checksum: Readonly<Checksum> | undefined
  /** What was said on this thread in a body that is compressed elsewhere: it stands at its end. */
  #lastWords = ''

  /** Events taken so far. */
  events = 0
  /** Bytes of the body taken so far, before compression and without HTTP's own framing. */
  bytes = 0
  /** When the first event was taken, on the clock of `performance.now()`. */
  firstEventAt: number | undefined
  /** True when something was taken since it was last set to false: what a heartbeat looks at. */
  touched = false

  constructor(response: WritableResponse, settings: ResponseSinkSettings) {
    this.#response = response
    this.#settings = settings
    // Half of the bound at most, so that the other half is left for newer events.
    this.#portion = settings.drop === undefined ? Infinity : Math.min(WRITE_BYTES, settings.maxBuffered / 2)
  }

  get closed(): boolean {
    return this.#closed
  }

  /** Bytes taken that the kernel has not. */
  get buffered(): number {
    return this.#response.writableLength + this.#backlog.bytes
  }

  /** Events that were taken, and then dropped for a slow client. */
  get dropped(): number {
    return this.#backlog.dropped
  }

  /** The body is to be compressed here. To be called before anything is written. */
  compress(coding: ContentCoding): void {
    this.#coded = new CodedBody(coding)
    this.#compressor = new Compressor(coding)
  }

  /** The body is compressed elsewhere, and comes through {@link writeCoded}. As {@link compress}. */
  expectCoded(coding: ContentCoding): void {
    this.#coded = new CodedBody(coding)
    this.#checksum = { crc: 0, size: 0 }
  }

  write(chunk: Chunk, events: number): boolean {
    if (this.#closed) return false
    const length = typeof chunk === 'string' ? Buffer.byteLength(chunk) : chunk.byteLength
    this.#count(events, length)
    if (this.#checksum !== undefined) {
      this.#lastWords += typeof chunk === 'string' ? chunk : Buffer.from(chunk).toString()
      return true
    }
    return this.#take(chunk, length)
  }

  /**
   * Takes whole blocks of a body that is compressed elsewhere.
   *
   * @param checksum of the body so far, these included
   */
  writeCoded(blocks: Uint8Array, events: number, checksum: Readonly<Checksum>): boolean {
    if (this.#closed) return false
    this.#count(events, (checksum.size - (this.#checksum?.size ?? 0)) >>> 0)
    this.#checksum = checksum
    return this.#take(blocks, blocks.byteLength)
  }

  #count(events: number, bytes: number): void {
    if (events > 0 && this.events === 0) this.firstEventAt = performance.now()
    this.events += events
    this.bytes += bytes
    this.touched = true
  }

  #take(chunk: Chunk, length: number): boolean {
    this.#backlog.add(chunk, length)
    if (this.#settings.flush === 'event' || this.#backlog.bytes >= WRITE_BYTES) this.#flush()
    else this.#immediate ??= setImmediate(this.#onTurn)
    const { buffered } = this
    if (buffered <= this.#settings.highWaterMark) return true
    if (buffered > this.#settings.maxBuffered) this.#overflow()
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

  /** A sign of life, unless the client is behind: then it needs none, and its buffer should not grow for one. */
  beat(): void {
    if (this.#closed || this.buffered > 0) return
    if (this.#coded === undefined) this.write(HEARTBEAT, 0)
    else this.#respond([this.#coded.prefix(), this.#coded.empty])
  }

  end(): void {
    if (this.#closed) return
    if (this.#backlog.bytes > 0) this.#hand(Infinity)
    if (this.#coded !== undefined) {
      this.#respond([this.#coded.end(this.#lastWords, this.#compressor?.checksum ?? this.#checksum)])
    }
    this.#close()
    this.#settings.onEnd()
  }

  /** Takes nothing more, and drops what still waits here. */
  destroy(): void {
    this.#backlog.clear()
    this.#close()
  }

  #close(): void {
    this.#closed = true
    this.#compressor?.close()
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
    if (this.#backlog.bytes > 0 && this.#response.writableLength === 0) this.#hand(this.#portion)
  }

  #hand(most: number): void {
    const chunks = this.#backlog.take(most)
    if (this.#coded === undefined) {
      this.#respond(chunks)
    } else {
      const blocks = this.#compressor === undefined ? chunks : [this.#compressor.compress(joinBytes(chunks))]
      this.#respond([this.#coded.prefix(), ...blocks])
    }
  }

  #respond(chunks: Chunk[]): void {
    const response = this.#response
    // Under the response's own cork the writes become one system call, made before uncork() returns. Without it
    // Node would hold a second write back until the next tick.
    response.cork()
    if (chunks.length === 1) response.write(chunks[0] as Chunk, this.#onWritten)
    else if (chunks.every((chunk) => typeof chunk === 'string'))
      response.write(chunks.join(''), this.#onWritten)
    else for (const chunk of chunks) if (chunk.length > 0) response.write(chunk, this.#onWritten)
    response.uncork()
  }

  readonly #onTurn = (): void => {
    this.#immediate = undefined
    this.#flush()
  }

  readonly #onWritten = (): void => {
    // Node also calls back, without an error, for what was lost with its socket. Whoever waits is then told when
    // the response closes.
    if (this.#closed || this.#response.socket?.destroyed === true) return
    this.#flush()
    if (this.#ready !== undefined && this.buffered <= this.#settings.highWaterMark) {
      this.#ready.resolve(true)
      this.#ready = undefined
    }
  }
}

function joinBytes(chunks: Chunk[]): Buffer {
  if (chunks.every((chunk) => typeof chunk === 'string')) return Buffer.from(chunks.join(''))
  return Buffer.concat(chunks.map((chunk) => (typeof chunk === 'string' ? Buffer.from(chunk) : chunk)))
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
