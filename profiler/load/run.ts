import { nowMs } from '../clock.ts'
import { shareOf, type Part } from '../parts.ts'
import { arrivalsOf } from './arrivals.ts'
import { Connection } from '../client/connection.ts'
import type { PartPlan, Plan } from '../plan.ts'
import { Recorder } from './recorder.ts'
import type { Recording } from '../samples/recording.ts'
import { requestOf } from '../client/request.ts'
import { Stream, type StreamOwner } from '../client/stream.ts'

/**
 * Timers are good to a millisecond. The last bit before an arrival is waited for by polling the loop, which also
 * reads what comes in without delay. Where arrivals are many that would take the core from the server, and only a
 * quarter of the time is polled; what an arrival is late counts against the server.
 */
const POLLED_MS = 2
const OFTEN = 250
const POLLED_SHARE = 0.25
/** A closed loop does not run hot where each stream fails at once. */
const AFTER_FAILURE_MS = 20
const NOTED_EACH_MS = 1_000

/** Begins streams, and gives them connections. */
export class Run implements StreamOwner {
  readonly plan: Plan
  readonly request: Buffer
  readonly recorder: Recorder
  readonly #part: Part
  readonly #schedule: Float64Array
  readonly #startMs: number
  /** In the order in which they began, which is that in which their time is over. */
  readonly #open = new Set<Stream>()
  readonly #idle: Connection[] = []
  readonly #pollMs: number
  /** Place in the schedule of the next that is this part's. */
  #next: number
  /** Streams that have begun after the warm-up. */
  #counted = 0
  #allBegun = false
  #sentForMs = 0
  #lastIntendedMs = 0
  #expiry: NodeJS.Timeout | undefined
  #arrival: NodeJS.Timeout | undefined
  #noting: NodeJS.Timeout | undefined
  #polledSince: number | undefined
  #news = 0
  #finish: () => void = () => {}
  readonly #finished = new Promise<void>((resolve) => (this.#finish = resolve))
  #interrupted = false

  constructor({ plan, part }: PartPlan, schedule: Float64Array, startMs: number) {
    this.plan = plan
    this.request = requestOf(plan)
    this.#part = part
    this.#next = part.place
    this.#schedule = schedule
    this.#startMs = startMs
    this.recorder = new Recorder(plan, startMs, schedule.length)
    const { rate } = plan.load
    this.#pollMs = rate === undefined || rate <= OFTEN ? POLLED_MS : (POLLED_SHARE * 1_000) / rate
  }

  async measure(): Promise<Recording> {
    const { closed } = this.plan.load
    this.#noteAfter(NOTED_EACH_MS)
    if (closed === undefined) this.#arrive()
    else this.#arrival = setTimeout(() => this.#openClosed(), this.#startMs - nowMs())
    await this.#finished
    for (const timer of [this.#noting, this.#expiry, this.#arrival]) clearTimeout(timer)
    for (const connection of this.#idle) connection.destroy()
    // What is open when it is interrupted is neither good nor bad, but nobody waits for it.
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
    this.#sentForMs ||= Math.max(0, nowMs() - this.#startMs)
    this.#finish()
  }

  readonly #arrive = (): void => {
    this.#notePolling()
    if (this.#allBegun) return
    for (;;) {
      const offsetMs = this.#schedule[this.#next]
      if (offsetMs === undefined) {
        this.#endArrivals()
        return
      }
      const leftMs = this.#startMs + offsetMs - nowMs()
      if (leftMs > this.#pollMs) {
        this.#arrival = setTimeout(this.#arrive, Math.max(1, Math.floor(leftMs - 1)))
        return
      }
      if (leftMs > 0) {
        this.#poll()
        return
      }
      this.#sentForMs = nowMs() - this.#startMs
      this.#begin(this.#startMs + offsetMs, offsetMs)
    }
  }

  #poll(): void {
    this.#polledSince = nowMs()
    this.#news = 0
    setImmediate(this.#arrive)
  }

  /** A turn of the loop in which nothing came was waiting, and not work. */
  #notePolling(): void {
    if (this.#polledSince !== undefined && this.#news === 0) this.recorder.polled(nowMs() - this.#polledSince)
    this.#polledSince = undefined
  }

  #openClosed(): void {
    const { warmupMs, durationMs } = this.plan.load
    for (let streams = shareOf(arrivalsOf(this.plan.load), this.#part); streams > 0; streams--) {
      this.#beginClosed()
    }
    this.#arrival = setTimeout(() => this.#endArrivals(), warmupMs + durationMs)
  }

  #beginClosed(): void {
    if (this.#allBegun) return
    const now = nowMs()
    this.#sentForMs = Math.max(0, now - this.#startMs)
    this.#begin(now, this.#sentForMs)
  }

  #begin(intendedMs: number, offsetMs: number): void {
    const { warmupMs, durationMs } = this.plan.load
    const share = (offsetMs - warmupMs) / durationMs
    const arrival = this.#next
    this.#next += this.#part.of
    this.#lastIntendedMs = offsetMs
    const stream = new Stream(this, arrival, intendedMs, share, this.recorder.isWatched(arrival, share))
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
    const { forMs, timeoutMs } = this.plan.end
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

  gap(stream: Stream, ms: number): void {
    this.recorder.gap(stream, ms)
  }

  latency(stream: Stream, ms: number | undefined): void {
    this.recorder.latency(stream, ms)
  }

  heard(): void {
    this.#news++
  }

  settled(stream: Stream, connection: Connection | undefined): void {
    if (connection !== undefined) this.#idle.push(connection)
    this.#open.delete(stream)
    if (this.#interrupted) return
    this.recorder.settled(stream)
    if (this.plan.load.closed !== undefined && !this.#allBegun) {
      if (stream.outcome === 'good') setImmediate(() => this.#beginClosed())
      else setTimeout(() => this.#beginClosed(), AFTER_FAILURE_MS)
    }
    if (this.#allBegun && this.#open.size === 0) this.#finish()
  }
}
