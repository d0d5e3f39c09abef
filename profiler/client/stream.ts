import { nowMs } from '../clock.ts'
import type { End, Outcome } from '../plan.ts'
import type { Connection, ConnectionUser } from './connection.ts'
import type { BodyListener, EventBody } from './event-body.ts'
import { ResponseFault, ResponseReader } from './response-reader.ts'

/** What begins streams, and has what comes of them. */
export interface StreamOwner {
  /** When they are over. */
  readonly end: End
  /** The request, with its body. */
  readonly request: Buffer
  /** The content coding that is asked for; undefined for none. */
  readonly coding?: string | undefined
  /** An idle connection, or a new one. */
  connect(isNew: boolean): Connection
  /** What reads the events of a stream. */
  bodyOf(listener: BodyListener): EventBody
  /** Something has come from the server. */
  heard(stream: Stream): void
  /**
   * Events have come.
   *
   * @param events how many at once
   * @param gapMs since those before; undefined for the first
   */
  news(stream: Stream, events: number, gapMs: number | undefined): void
  /** See {@link BodyListener.stamped}. */
  stamped(stream: Stream, latencyMs: number | undefined, sentMs: number): void
  /**
   * @param connection whose response is whole: the owner may leave it, keep it where the response is `reusable`, or
   *   wait for the server to close it. Undefined where it is gone
   */
  settled(stream: Stream, connection: Connection | undefined): void
}

/**
 * One client: a request, a stream. All times are in ms since the *intended* start: a client that was sent late,
 * because the generator or the server was busy, has waited all the same.
 */
export class Stream implements ConnectionUser, BodyListener {
  readonly intendedMs: number
  /** How much later than intended it was begun. */
  readonly lagMs: number
  connectedMs: number | undefined
  firstByteMs: number | undefined
  firstEventMs: number | undefined
  lastEventMs: number | undefined
  overMs: number | undefined
  outcome: Outcome | undefined
  detail = ''
  /** It was ended from this side, as it was to be. */
  wasEnded = false
  longestGapMs = 0
  /** All that was read: heads, framing of HTTP, and the body in its content coding. */
  wireBytes = 0

  readonly body: EventBody
  readonly reader: ResponseReader
  readonly #owner: StreamOwner
  #connection: Connection
  /** Events that were passed to the owner. */
  #reported = 0

  constructor(owner: StreamOwner, intendedMs: number) {
    this.intendedMs = intendedMs
    this.#owner = owner
    this.body = owner.bodyOf(this)
    this.reader = new ResponseReader(this.body, owner.coding)
    this.lagMs = nowMs() - intendedMs
    this.#connection = this.#begin(false)
  }

  get events(): number {
    return this.body.events
  }

  #begin(isNew: boolean): Connection {
    const connection = this.#owner.connect(isNew)
    connection.user = this
    if (connection.reused) this.connectedMs = this.lagMs
    connection.write(this.#owner.request)
    return connection
  }

  connected(): void {
    this.connectedMs = nowMs() - this.intendedMs
  }

  received(chunk: Buffer): void {
    const atMs = nowMs() - this.intendedMs
    this.firstByteMs ??= atMs
    this.wireBytes += chunk.length
    const { reader } = this
    try {
      reader.push(chunk)
    } catch (error) {
      if (!(error instanceof ResponseFault)) throw error
      this.settle(error.outcome, error.message)
      return
    }
    this.#owner.heard(this)
    this.#noteNews(atMs)
    if (reader.complete) this.#endBody()
    else if (this.#owner.end.events !== undefined && this.events >= this.#owner.end.events) this.#endIt()
  }

  #noteNews(atMs: number): void {
    const { events } = this.body
    const news = events - this.#reported
    if (news === 0) return
    this.#reported = events
    const gapMs = this.lastEventMs === undefined ? undefined : atMs - this.lastEventMs
    this.firstEventMs ??= atMs
    this.lastEventMs = atMs
    if (gapMs !== undefined && gapMs > this.longestGapMs) this.longestGapMs = gapMs
    this.#owner.news(this, news, gapMs)
  }

  stamped(latencyMs: number | undefined, sentMs: number): void {
    this.#owner.stamped(this, latencyMs, sentMs)
  }

  decoded(): void {
    this.#noteNews(nowMs() - this.intendedMs)
  }

  ended(error?: Error): void {
    if (error === undefined) this.#complete()
    else this.settle('malformed', error.message)
  }

  /** All bytes have come, but perhaps not yet all events. */
  #endBody(): void {
    if (this.body.end === undefined) this.#complete()
    else this.body.end()
  }

  #complete(): void {
    const { events } = this
    const { events: wanted } = this.#owner.end
    if (events === 0) this.settle('no-event', 'the response ended without an event')
    else if (wanted !== undefined && events < wanted) {
      this.settle('truncated', `it ended after ${events} of ${wanted} events`)
    } else this.settle('good')
  }

  #endIt(): void {
    this.wasEnded = true
    this.settle('good')
  }

  /** Its time is over. */
  expire(): void {
    if (this.#owner.end.forMs !== undefined && this.reader.status === 200) this.#endIt()
    else this.settle('timeout', this.#waitedFor())
  }

  #waitedFor(): string {
    if (this.connectedMs === undefined) return 'no connection in time'
    if (this.firstByteMs === undefined) return 'connected, but not a byte in time'
    if (this.reader.status === undefined) return 'the head did not end in time'
    if (this.events === 0) return 'a head, but no event in time'
    return `the stream did not end in time (${this.events} events had come)`
  }

  closed(failure: { outcome: Outcome; message: string } | undefined): void {
    if (this.outcome !== undefined) return
    if (this.firstByteMs === undefined && this.#connection.reused && failure?.outcome !== 'local') {
      // The server has closed an idle connection at this very moment. A client asks again (RFC 9112, 9.3.1).
      this.#connection = this.#begin(true)
    } else if (failure !== undefined) {
      this.settle(failure.outcome, failure.message)
    } else if (this.reader.complete) {
      // The body's end is still on its way.
    } else if (this.firstByteMs !== undefined && this.reader.end()) {
      this.#endBody()
    } else {
      this.settle('truncated', this.#closedAt())
    }
  }

  #closedAt(): string {
    if (this.firstByteMs === undefined) return 'closed before the first byte'
    if (this.reader.status === undefined) return 'closed within the head'
    return `closed after ${this.events} events, before the end of the body`
  }

  /** The first outcome counts. */
  settle(outcome: Outcome, detail = ''): void {
    if (this.outcome !== undefined) return
    this.outcome = outcome
    this.detail = detail
    this.overMs = nowMs() - this.intendedMs
    const connection = this.#connection
    const isWhole = this.reader.complete && outcome === 'good'
    if (!isWhole) {
      connection.destroy()
      this.body.destroy?.()
    }
    this.#owner.settled(this, isWhole ? connection : undefined)
  }
}
