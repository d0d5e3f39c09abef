import { Connection } from '../client/connection.ts'
import type { BodyListener, EventBody } from '../client/event-body.ts'
import { EventScanner } from '../client/event-scanner.ts'
import { requestOf } from '../client/request.ts'
import { StampedEvents } from '../client/stamped-events.ts'
import type { StreamOwner } from '../client/stream.ts'
import { nowMs } from '../clock.ts'
import { shareOf, type Part } from '../parts.ts'
import type { End, PartPlan, Plan } from '../plan.ts'
import type { Recording } from '../samples/recording.ts'
import { arrivalsOf } from './arrivals.ts'
import { Recorder } from './recorder.ts'
import { ScheduledStream } from './scheduled-stream.ts'
import { POLLED_MS, Timetable } from './timetable.ts'

/**
 * Where arrivals are many, polling for each would take the core from the server, and only a quarter of the time is
 * polled; what an arrival is late counts against the server.
 */
const OFTEN = 250
const POLLED_SHARE = 0.25
/** A closed loop does not run hot where each stream fails at once. */
const AFTER_FAILURE_MS = 20
const NOTED_EACH_MS = 1_000

/** Begins streams, and gives them connections. */
export class Run implements StreamOwner {
  readonly plan: Plan
  readonly end: End
  readonly request: Buffer
  readonly recorder: Recorder
  readonly #part: Part
  readonly #schedule: Float64Array
  readonly #startMs: number
  readonly #timetable: Timetable
  /** In the order in which they began, which is that in which their time is over. */
  readonly #open = new Set<ScheduledStream>()
  readonly #idle: Connection[] = []
  /** Streams that have begun, and those of them that have after the warm-up. */
  #begun = 0
  #counted = 0
  #allBegun = false
  #sentForMs = 0
  #lastIntendedMs = 0
  #expiry: NodeJS.Timeout | undefined
  #closing: NodeJS.Timeout | undefined
  #noting: NodeJS.Timeout | undefined
  #finish: () => void = () => {}
  readonly #finished = new Promise<void>((resolve) => (this.#finish = resolve))
  #interrupted = false

  constructor({ plan, part }: PartPlan, schedule: Float64Array, startMs: number) {
    this.plan = plan
    this.end = plan.end
    this.request = requestOf(plan.target, plan.load.connections)
    this.#part = part
    this.#schedule = schedule
    this.#startMs = startMs
    this.recorder = new Recorder(plan, startMs, schedule.length)
    const arrivals = {
      begin: (offsetMs: number, arrival: number) => {
        this.#sentForMs = nowMs() - startMs
        this.#begin(startMs + offsetMs, offsetMs, arrival)
      },
      allBegun: () => this.#endArrivals(),
      polled: (ms: number) => this.recorder.polled(ms),
    }
    this.#timetable = new Timetable(schedule, startMs, part, arrivals, polledMs(plan.load.rate))
  }

  async measure(): Promise<Recording> {
    const { closed } = this.plan.load
    this.#noteAfter(NOTED_EACH_MS)
    if (closed === undefined) this.#timetable.begin()
    else this.#closing = setTimeout(() => this.#openClosed(), this.#startMs - nowMs())
    await this.#finished
    this.#timetable.stop()
    for (const timer of [this.#noting, this.#expiry, this.#closing]) clearTimeout(timer)
    for (const connection of this.#idle) connection.destroy()
    // What is open when it is interrupted is neither good nor bad, and no longer waited for.
    for (const stream of this.#open) stream.settle('timeout')
    return this.recorder.recording(this.#scheduled(), {
      sentForMs: this.#sentForMs,
      lastIntendedMs: this.#lastIntendedMs,
      interrupted: this.#interrupted,
    })
  }

  /** Arrivals that should have begun by now, those of the warm-up left out. */
  #scheduled(): number {
    const { warmupMs, closed } = this.plan.load
    if (closed !== undefined) return this.#counted
    const { place, of } = this.#part
    const untilMs = this.#interrupted ? nowMs() - this.#startMs : Infinity
    let count = 0
    for (let index = place; index < this.#schedule.length; index += of) {
      const atMs = this.#schedule[index] as number
      if (atMs >= warmupMs && atMs <= untilMs) count++
    }
    return count
  }

  /** At full seconds of the run, so that those of several processes can be laid side by side. */
  #noteAfter(ms: number): void {
    this.#noting = setTimeout(
      () => {
        const passedMs = nowMs() - this.#startMs
        this.recorder.noteLoop(passedMs)
        this.#noteAfter((Math.round(passedMs / NOTED_EACH_MS) + 1) * NOTED_EACH_MS)
      },
      Math.ceil(this.#startMs + ms - nowMs()),
    )
  }

  stop(): void {
    this.#interrupted = true
    this.#allBegun = true
    this.#timetable.stop()
    this.#sentForMs ||= Math.max(0, nowMs() - this.#startMs)
    this.#finish()
  }

  #openClosed(): void {
    const { warmupMs, durationMs } = this.plan.load
    for (let streams = shareOf(arrivalsOf(this.plan.load), this.#part); streams > 0; streams--) {
      this.#beginClosed()
    }
    this.#closing = setTimeout(() => this.#endArrivals(), warmupMs + durationMs)
  }

  #beginClosed(): void {
    if (this.#allBegun) return
    const now = nowMs()
    this.#sentForMs = Math.max(0, now - this.#startMs)
    const { place, of } = this.#part
    this.#begin(now, this.#sentForMs, place + this.#begun * of)
  }

  #begin(intendedMs: number, offsetMs: number, arrival: number): void {
    const { warmupMs, durationMs } = this.plan.load
    const share = (offsetMs - warmupMs) / durationMs
    this.#begun++
    this.#lastIntendedMs = offsetMs
    const isWatched = this.recorder.isWatched(arrival, share)
    const stream = new ScheduledStream(this, arrival, intendedMs, share, isWatched)
    this.#open.add(stream)
    this.recorder.begun(stream)
    if (stream.counts) this.#counted++
    if (this.#expiry === undefined) this.#watchExpiry()
  }

  #endArrivals(): void {
    this.#allBegun = true
    if (this.#open.size === 0) this.#finish()
  }

  /** One timer, for the stream that is the first to be over. */
  #watchExpiry(): void {
    this.#expiry = undefined
    const { forMs, timeoutMs } = this.end
    for (const stream of this.#open) {
      const leftMs = stream.intendedMs + (forMs ?? timeoutMs) - nowMs()
      if (leftMs > 0) {
        this.#expiry = setTimeout(() => this.#watchExpiry(), Math.ceil(leftMs))
        return
      }
      stream.expire()
    }
  }

  connect(isNew: boolean): Connection {
    const idle = isNew ? undefined : this.#usable()
    if (idle !== undefined) return idle
    this.recorder.connectionsOpened++
    return new Connection(this.plan.target, (closed) => {
      const place = this.#idle.indexOf(closed)
      if (place >= 0) this.#idle.splice(place, 1)
    })
  }

  #usable(): Connection | undefined {
    for (;;) {
      const idle = this.#idle.pop()
      if (idle === undefined || !idle.isClosed) return idle
    }
  }

  bodyOf(listener: BodyListener): EventBody {
    const { stamp } = this.plan
    return stamp === undefined ? new EventScanner() : new StampedEvents(stamp, listener)
  }

  heard(): void {
    this.#timetable.noteNews()
  }

  news(stream: ScheduledStream, events: number, gapMs: number | undefined): void {
    stream.mark(events)
    if (stream.counts) this.recorder.news(stream, events, gapMs)
  }

  stamped(stream: ScheduledStream, latencyMs: number | undefined): void {
    if (stream.counts) this.recorder.latency(stream, latencyMs)
  }

  settled(stream: ScheduledStream, connection: Connection | undefined): void {
    if (connection !== undefined) this.#takeBack(stream, connection)
    this.#open.delete(stream)
    if (this.#interrupted) return
    this.recorder.settled(stream)
    if (this.plan.load.closed !== undefined && !this.#allBegun) {
      if (stream.outcome === 'good') setImmediate(() => this.#beginClosed())
      else setTimeout(() => this.#beginClosed(), AFTER_FAILURE_MS)
    }
    if (this.#allBegun && this.#open.size === 0) this.#finish()
  }

  #takeBack({ reader }: ScheduledStream, connection: Connection): void {
    if (reader.reusable && this.plan.load.connections === 'keep-alive') {
      connection.keep()
      this.#idle.push(connection)
    } else connection.leave()
  }
}

function polledMs(rate: number | undefined): number {
  return rate === undefined || rate <= OFTEN ? POLLED_MS : (POLLED_SHARE * 1_000) / rate
}
