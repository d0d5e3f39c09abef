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
  /** Bytes over which `onOverflow` is called. */
  maxBuffered: number
  onOverflow: () => void
  /** Ends the response: all that was taken has been handed over. */
  onEnd: () => void
}

/** In `tick` mode a write leaves before the turn's end once it has this many bytes. */
const WRITE_BYTES = 65_536

/**
 * The sink on the server's thread: it writes an HTTP response.
 *
 * Bytes wait in one of two places: in the response (handed over, but not yet taken by the kernel), or here, in
 * `#pending`. In mode `event` nothing waits here as long as the kernel takes all. Once it does not, all that
 * comes waits here until the response is empty, and then leaves in one write.
 */
export class ResponseSink implements Sink {
  readonly #response: WritableResponse
  readonly #settings: ResponseSinkSettings
  #pending: (string | Uint8Array)[] = []
  #pendingBytes = 0
  /** Set while a turn of the loop is awaited in mode `tick`. */
  #immediate: NodeJS.Immediate | undefined
  #ready: PromiseWithResolver<boolean> | undefined
  #closed = false

  /** Events taken so far. */
  events = 0
  /** Bytes of the body taken so far (without HTTP's own framing). */
  bytes = 0
  /** When the first event was taken, on the clock of `performance.now()`. */
  firstEventAt: number | undefined
  /** True when something was taken since it was last set to false: what a heartbeat looks at. */
  touched = false

  constructor(response: WritableResponse, settings: ResponseSinkSettings) {
    this.#response = response
    this.#settings = settings
  }

  get closed(): boolean {
    return this.#closed
  }

  /** Bytes taken that the kernel has not. */
  get buffered(): number {
    return this.#response.writableLength + this.#pendingBytes
  }

  write(chunk: string | Uint8Array, events: number): boolean {
    if (this.#closed) return false
    const length = typeof chunk === 'string' ? Buffer.byteLength(chunk) : chunk.byteLength
    if (events > 0 && this.events === 0) this.firstEventAt = performance.now()
    this.events += events
    this.bytes += length
    this.touched = true
    this.#pending.push(chunk)
    this.#pendingBytes += length
    if (this.#settings.flush === 'event' || this.#pendingBytes >= WRITE_BYTES) this.#flush()
    else this.#immediate ??= setImmediate(this.#onTurn)
    const { buffered } = this
    if (buffered <= this.#settings.highWaterMark) return true
    if (buffered > this.#settings.maxBuffered) this.#settings.onOverflow()
    return false
  }

  async ready(): Promise<boolean> {
    if (this.#closed) return false
    if (this.buffered <= this.#settings.highWaterMark) return true
    this.#ready ??= promiseWithResolver()
    return this.#ready.promise
  }

  end(): void {
    if (this.#closed) return
    if (this.#pendingBytes > 0) this.#hand()
    this.#close()
    this.#settings.onEnd()
  }

  /** Takes nothing more, and drops what still waits here. */
  destroy(): void {
    this.#pending = []
    this.#pendingBytes = 0
    this.#close()
  }

  #close(): void {
    this.#closed = true
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
    if (this.#pendingBytes > 0 && this.#response.writableLength === 0) this.#hand()
  }

  #hand(): void {
    const chunks = this.#pending
    this.#pending = []
    this.#pendingBytes = 0
    const response = this.#response
    // Under the response's own cork the writes become one system call, made before uncork() returns. Without it
    // Node would hold a second write back until the next tick.
    response.cork()
    if (chunks.length === 1) response.write(chunks[0] as string, this.#onWritten)
    else if (chunks.every((chunk) => typeof chunk === 'string'))
      response.write(chunks.join(''), this.#onWritten)
    else for (const chunk of chunks) response.write(chunk, this.#onWritten)
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
