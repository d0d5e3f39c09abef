import { nowMs } from '../clock.ts'
import type { Connection } from './connection.ts'
import { eventReader, type EventReader } from './event-reader.ts'
import type { End, Outcome, Plan } from '../plan.ts'
import { ResponseFault, ResponseReader } from './response-reader.ts'

/** More than so many events of one stream are not drawn. */
const MOST_MARKS = 200

/** Whoever begins streams. */
export interface StreamOwner {
  readonly plan: Plan
  /** An idle connection, or a new one. */
  connect(isNew: boolean): Connection
  /** The request, with its body. */
  readonly request: Buffer
  /** Something has come from the server. */
  heard(stream: Stream): void
  /** A stream that counts has got events: the gaps before them, and how long each was on its way. */
  gap(stream: Stream, ms: number): void
  latency(stream: Stream, ms: number | undefined): void
  /** @param connection to be used again; undefined where it is gone, or must not be */
  settled(stream: Stream, connection: Connection | undefined): void
}

/**
 * One client: a request, a stream. All times are in ms since the *intended* start: a client that was sent late,
 * because the generator or the server was busy, has waited all the same.
 */
export class Stream {
  /** Place in the schedule. */
  readonly arrival: number
  readonly intendedMs: number
  readonly lagMs: number
  /** From 0 to 1, of the time that counts; negative in the warm-up. */
  readonly share: number
  connectedMs: number | undefined
  firstByteMs: number | undefined
  firstEventMs: number | undefined
  lastEventMs: number | undefined
  overMs: number | undefined
  outcome: Outcome | undefined
  detail = ''
  /** The profiler has ended it, as it was told to. */
  wasEnded = false
  longestGapMs = 0
  bytes = 0
  /** When events came; only where it is watched. */
  marksMs: number[] | undefined

  readonly reader: ResponseReader
  readonly #events: EventReader
  readonly #owner: StreamOwner
  readonly #end: End
  #connection: Connection

  constructor(owner: StreamOwner, arrival: number, intendedMs: number, share: number, isWatched: boolean) {
    this.arrival = arrival
    this.intendedMs = intendedMs
    this.share = share
    this.marksMs = isWatched ? [] : undefined
    this.#owner = owner
    this.#end = owner.plan.end
    this.#events = eventReader(owner.plan.stamp, (ms) => {
      if (this.counts) owner.latency(this, ms)
    })
    this.reader = new ResponseReader((chunk, from, to) => {
      this.bytes += to - from
      this.#events.scan(chunk, from, to)
    })
    this.lagMs = nowMs() - intendedMs
    this.#connection = this.#begin(false)
  }

  /** It began after the warm-up. */
  get counts(): boolean {
    return this.share >= 0
  }

  get events(): number {
    return this.#events.events
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
    const before = this.#events.events
    try {
      this.reader.push(chunk)
    } catch (error) {
      if (!(error instanceof ResponseFault)) throw error
      this.settle(error.outcome, error.message)
      return
    }
    this.#owner.heard(this)
    const { events } = this.#events
    if (events > before) this.#tell(atMs, events - before)
    if (this.reader.complete) this.#complete()
    else if (this.#end.events !== undefined && events >= this.#end.events) this.#endIt()
  }

  #tell(atMs: number, news: number): void {
    if (this.firstEventMs === undefined) this.firstEventMs = atMs
    else this.#gap(atMs - (this.lastEventMs as number))
    for (let more = 1; more < news; more++) this.#gap(0)
    this.lastEventMs = atMs
    for (let mark = 0; mark < news && this.marksMs !== undefined; mark++) {
      if (this.marksMs.length >= MOST_MARKS) break
      this.marksMs.push(atMs)
    }
  }

  #gap(ms: number): void {
    if (ms > this.longestGapMs) this.longestGapMs = ms
    if (this.counts) this.#owner.gap(this, ms)
  }

  #complete(): void {
    const { events } = this.#events
    if (events === 0) this.settle('no-event', 'the response ended without an event')
    else if (this.#end.events !== undefined && events < this.#end.events) {
      this.settle('truncated', `it ended after ${events} of ${this.#end.events} events`)
    } else this.settle('good')
  }

  #endIt(): void {
    this.wasEnded = true
    this.settle('good')
  }

  /** Its time is over. */
  expire(): void {
    if (this.#end.forMs !== undefined && this.reader.status === 200) this.#endIt()
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
    } else if (this.firstByteMs !== undefined && this.reader.end()) {
      this.#complete()
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
    if (isWhole && this.reader.reusable && this.#owner.plan.load.connections === 'keep-alive') {
      connection.user = undefined
      connection.reused = true
      this.#owner.settled(this, connection)
      return
    }
    if (isWhole) connection.leave()
    else connection.destroy()
    this.#owner.settled(this, undefined)
  }
}
