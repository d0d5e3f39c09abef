/**
 * The profiler's load generator: a process of its own, so that it shares no event loop, heap or garbage collector
 * with whoever draws and prints. Arrivals follow a schedule made beforehand and wait for nobody; every time counts
 * from the intended start; each measurement says how late and how busy the generator was.
 */
import { nowMs } from '../clock.ts'
import { serve } from '../remote.ts'
import { poissonSchedule } from '../schedule.ts'
import { Connection } from './connection.ts'
import type { Measurement, Plan, Standing } from './plan.ts'
import { Recorder } from './recorder.ts'
import { Stream, type StreamOwner } from './stream.ts'

/** Between the question and the first arrival. */
const LEAD_MS = 20
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
/** How many of the streams that are to be held are opened at a time. */
const HELD_AT_A_TIME = 50
const HEAD_WITHIN_MS = 10_000

export interface HoldPlan {
  plan: Plan
  streams: number
}

export interface Held {
  /** Open now. */
  open: number
  /** Those that could not be opened, or are over. */
  lost: number
  /** Of the first that was lost. */
  detail: string
}

// A type and not an interface: those have no index signature.
export type GeneratorQuestions = {
  run(plan: Plan): Promise<Measurement>
  standing(nothing: undefined): Standing | undefined
  /** Ends now what goes on, opening or measuring: it answers with what there is. */
  stop(nothing: undefined): void
  hold(plan: HoldPlan): Promise<Held>
  held(nothing: undefined): Held
  release(nothing: undefined): void
}

/** Begins streams, and gives them connections. */
class Run implements StreamOwner {
  readonly plan: Plan
  readonly request: Buffer
  readonly recorder: Recorder
  readonly #schedule: Float64Array
  readonly #startMs: number
  /** In the order in which they began, which is that in which their time is over. */
  readonly #open = new Set<Stream>()
  readonly #idle: Connection[] = []
  readonly #pollMs: number
  #begun = 0
  #allBegun = false
  #sentForMs = 0
  #expiry: NodeJS.Timeout | undefined
  #arrival: NodeJS.Timeout | undefined
  #polledSince: number | undefined
  #news = 0
  #finish: () => void = () => {}
  readonly #finished = new Promise<void>((resolve) => (this.#finish = resolve))
  #interrupted = false

  constructor(plan: Plan) {
    this.plan = plan
    this.request = requestOf(plan)
    this.#schedule = scheduleOf(plan)
    this.#startMs = nowMs() + (plan.load.closed === undefined ? LEAD_MS : 0)
    this.recorder = new Recorder(plan, this.#startMs, this.#schedule.length)
    const { rate } = plan.load
    this.#pollMs = rate === undefined || rate <= OFTEN ? POLLED_MS : (POLLED_SHARE * 1_000) / rate
  }

  async measure(): Promise<Measurement> {
    const { closed, warmupMs, durationMs } = this.plan.load
    const noting = setInterval(() => this.recorder.noteLoop(), NOTED_EACH_MS)
    if (closed === undefined) this.#arrive()
    else {
      for (let place = 0; place < closed; place++) this.#beginClosed()
      setTimeout(() => this.#endArrivals(), warmupMs + durationMs)
    }
    await this.#finished
    clearInterval(noting)
    clearTimeout(this.#expiry)
    clearTimeout(this.#arrival)
    for (const connection of this.#idle) connection.destroy()
    for (const stream of this.#open) stream.settle('timeout')
    return this.recorder.measurement({
      scheduled: closed === undefined ? this.#scheduled() : this.#begun,
      sentForMs: this.#sentForMs,
      lastIntendedMs: this.#schedule[this.#begun - 1] ?? this.#sentForMs,
      interrupted: this.#interrupted,
    })
  }

  /** Arrivals that should have begun by now, those of the warm-up left out. */
  #scheduled(): number {
    const untilMs = this.#interrupted ? nowMs() - this.#startMs : Infinity
    const { warmupMs } = this.plan.load
    return this.#schedule.reduce((count, atMs) => count + Number(atMs >= warmupMs && atMs <= untilMs), 0)
  }

  stop(): void {
    this.#interrupted = true
    this.#allBegun = true
    this.#sentForMs ||= nowMs() - this.#startMs
    // What is still open is neither good nor bad.
    this.#open.clear()
    this.#finish()
  }

  readonly #arrive = (): void => {
    this.#notePolling()
    if (this.#allBegun) return
    for (;;) {
      const offsetMs = this.#schedule[this.#begun]
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

  #beginClosed(): void {
    if (this.#allBegun) return
    const now = nowMs()
    this.#sentForMs = Math.max(0, now - this.#startMs)
    this.#begin(now, now - this.#startMs)
  }

  #begin(intendedMs: number, offsetMs: number): void {
    const { warmupMs, durationMs } = this.plan.load
    const share = (offsetMs - warmupMs) / durationMs
    const arrival = this.#begun++
    this.recorder.begun++
    this.recorder.open++
    this.#open.add(new Stream(this, arrival, intendedMs, share, this.recorder.isWatched(arrival, share)))
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

function requestOf({ target, load }: Plan): Buffer {
  const connection = load.connections === 'new' ? 'close' : 'keep-alive'
  const head = Buffer.from(`${target.head}Connection: ${connection}\r\n\r\n`, 'latin1')
  return Buffer.concat([head, target.body])
}

function scheduleOf({ load }: Plan): Float64Array {
  const { rate, arrivals, seed, warmupMs, durationMs, closed } = load
  if (closed !== undefined || rate === undefined) return new Float64Array()
  const count = Math.max(1, Math.round((rate * (warmupMs + durationMs)) / 1_000))
  if (arrivals === 'uniform')
    return Float64Array.from({ length: count }, (_, index) => (index * 1_000) / rate)
  return poissonSchedule(count, rate, seed)
}

/** Streams that stay open, and count nowhere: the load beside which others are measured. */
class Holding implements StreamOwner {
  readonly plan: Plan
  readonly request: Buffer
  readonly #open = new Set<Stream>()
  /** Those whose head has not come, and what to do when it has. */
  readonly #waiting = new Map<Stream, () => void>()
  #lost = 0
  #detail = ''
  #over = false
  #stopped = false

  constructor(plan: Plan) {
    // They are over when the profiler is.
    this.plan = {
      ...plan,
      load: { ...plan.load, connections: 'new' },
      end: { events: undefined, forMs: undefined, timeoutMs: Infinity },
      stamp: undefined,
    }
    this.request = requestOf(this.plan)
  }

  async open(streams: number): Promise<Held> {
    let begun = 0
    const oneAfterAnother = async (): Promise<void> => {
      while (begun < streams && !this.#over && !this.#stopped) {
        begun++
        await this.#one()
      }
    }
    await Promise.all(Array.from({ length: HELD_AT_A_TIME }, oneAfterAnother))
    return this.standing()
  }

  /** Its head is enough: an idle stream may never have an event. */
  async #one(): Promise<void> {
    await new Promise<void>((resolve) => {
      const stream = new Stream(this, 0, nowMs(), -1, false)
      this.#open.add(stream)
      const deadline = setTimeout(() => stream.settle('timeout', 'no head in time'), HEAD_WITHIN_MS)
      this.#waiting.set(stream, () => {
        this.#waiting.delete(stream)
        clearTimeout(deadline)
        resolve()
      })
    })
  }

  heard(stream: Stream): void {
    if (stream.reader.status === 200) this.#waiting.get(stream)?.()
  }

  standing(): Held {
    return { open: this.#open.size, lost: this.#lost, detail: this.#detail }
  }

  /** What is being opened is enough; those that are open stay. */
  stop(): void {
    this.#stopped = true
    for (const stream of this.#waiting.keys()) stream.settle('timeout', 'interrupted')
  }

  release(): void {
    this.#over = true
    for (const stream of this.#open) stream.settle('good')
  }

  connect(): Connection {
    return new Connection(this.plan.target, () => {})
  }

  gap(): void {}

  latency(): void {}

  settled(stream: Stream): void {
    this.#open.delete(stream)
    this.#waiting.get(stream)?.()
    if (this.#over || this.#stopped) return
    this.#lost++
    this.#detail ||= stream.detail === '' ? `the server has ended it (${stream.outcome})` : stream.detail
  }
}

let current: Run | undefined
let holding: Holding | undefined

serve({
  async run(plan) {
    current = new Run(plan)
    return current.measure()
  },
  standing: () => current?.recorder.standing(),
  stop() {
    current?.stop()
    holding?.stop()
  },
  async hold({ plan, streams }) {
    holding = new Holding(plan)
    return holding.open(streams)
  },
  held: () => holding?.standing() ?? { open: 0, lost: 0, detail: '' },
  release: () => holding?.release(),
} satisfies GeneratorQuestions)
