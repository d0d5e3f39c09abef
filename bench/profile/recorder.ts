import { performance, type EventLoopUtilization } from 'node:perf_hooks'
import { nowMs } from '../clock.ts'
import { rank } from '../percentiles.ts'
import type { Measurement, Outcome, Plan, Sampled, Standing } from './plan.ts'
import { Samples } from './samples.ts'
import type { Stream } from './stream.ts'

/** Streams that are watched closely, spread over the run; and the slowest beside them. */
const WATCHED = 12
const SLOWEST = 4
const MOST_COLUMNS = 60
/** Rows of the heat map: from 0.1 ms, six to a decade, up to 100 s. */
const HEAT_FROM_MS = 0.1
const HEAT_ROWS_PER_DECADE = 6
const HEAT_ROWS = 6 * HEAT_ROWS_PER_DECADE

/** What came of a run's streams. */
export class Recorder {
  /** Streams that have begun, warm-up and all. */
  begun = 0
  open = 0
  connectionsOpened = 0
  readonly #plan: Plan
  readonly #startMs: number
  readonly #expected: number
  readonly #ttfb = new Samples()
  readonly #ttfe = new Samples()
  readonly #total = new Samples()
  readonly #gap = new Samples()
  readonly #latency = new Samples()
  readonly #lag = new Samples()
  readonly #lags: number[] = []
  readonly #outcomes: Partial<Record<Outcome, number>> = {}
  readonly #details: Partial<Record<Outcome, string>> = {}
  readonly #statuses: Record<string, number> = {}
  readonly #heat: number[][]
  readonly #watched: Sampled[] = []
  readonly #slowest: Sampled[] = []
  readonly #busy: [seconds: number, share: number][] = []
  #arrivals = 0
  #endedByProfiler = 0
  #withinSlo = 0
  #events = 0
  #bytes = 0
  #unstamped = 0
  #lastEventAtMs = 0
  #eventsOfAll = 0
  #good = 0
  #failed = 0
  readonly #loop: EventLoopUtilization = performance.eventLoopUtilization()
  #loopBefore = this.#loop
  #polledMs = 0
  #polledBeforeMs = 0

  /** @param expected arrivals, as far as they are known beforehand */
  constructor(plan: Plan, startMs: number, expected: number) {
    this.#plan = plan
    this.#startMs = startMs
    this.#expected = expected
    this.#heat = Array.from({ length: this.#columns }, () => Array.from({ length: HEAT_ROWS }, () => 0))
  }

  get #columns(): number {
    return Math.max(1, Math.min(MOST_COLUMNS, Math.ceil(this.#plan.load.durationMs / 1_000)))
  }

  isWatched(arrival: number, share: number): boolean {
    const every = Math.max(1, Math.floor(this.#expected / WATCHED))
    return share >= 0 && arrival % every === 0
  }

  /** Time that passed while the generator only looked whether the next arrival was due. */
  polled(ms: number): void {
    this.#polledMs += ms
  }

  gap(stream: Stream, ms: number): void {
    this.#gap.add(ms, stream.share)
  }

  latency(stream: Stream, ms: number | undefined): void {
    if (ms === undefined) this.#unstamped++
    else this.#latency.add(ms, stream.share)
  }

  settled(stream: Stream): void {
    this.open--
    this.#eventsOfAll += stream.events
    const outcome = stream.outcome as Outcome
    if (outcome === 'good') this.#good++
    else this.#failed++
    if (outcome !== 'good') this.#details[outcome] ??= stream.detail
    if (!stream.counts) return
    this.#arrivals++
    this.#outcomes[outcome] = (this.#outcomes[outcome] ?? 0) + 1
    const { status } = stream.reader
    if (outcome === 'status') this.#statuses[String(status)] = (this.#statuses[String(status)] ?? 0) + 1
    if (stream.wasEnded) this.#endedByProfiler++
    const isGood = outcome === 'good'
    const of = (ms: number | undefined): number => (isGood ? (ms ?? Infinity) : Infinity)
    const { share } = stream
    this.#ttfb.add(of(stream.firstByteMs), share)
    this.#ttfe.add(of(stream.firstEventMs), share)
    this.#total.add(of(stream.overMs), share)
    this.#lag.add(stream.lagMs, share)
    this.#lags.push(stream.lagMs)
    this.#events += stream.events
    this.#bytes += stream.bytes
    if (stream.lastEventMs !== undefined) {
      this.#lastEventAtMs = Math.max(this.#lastEventAtMs, stream.intendedMs + stream.lastEventMs)
    }
    if (isGood && this.#meetsSlo(stream)) this.#withinSlo++
    this.#draw(stream, outcome, of(stream.firstByteMs))
  }

  #meetsSlo({
    firstByteMs = Infinity,
    firstEventMs = Infinity,
    longestGapMs,
    overMs = Infinity,
  }: Stream): boolean {
    const { ttfb, ttfe, gap, total } = this.#plan.slo ?? {}
    return (
      firstByteMs <= (ttfb ?? Infinity) &&
      firstEventMs <= (ttfe ?? Infinity) &&
      longestGapMs <= (gap ?? Infinity) &&
      overMs <= (total ?? Infinity)
    )
  }

  #draw(stream: Stream, outcome: Outcome, firstByteMs: number): void {
    const column = Math.min(this.#columns - 1, Math.floor(stream.share * this.#columns))
    const row = Number.isFinite(firstByteMs)
      ? Math.floor(Math.log10(firstByteMs / HEAT_FROM_MS) * HEAT_ROWS_PER_DECADE)
      : HEAT_ROWS - 1
    const cells = this.#heat[column] as number[]
    const place = Math.min(HEAT_ROWS - 1, Math.max(0, row))
    cells[place] = (cells[place] as number) + 1
    const sampled: Sampled = {
      arrival: stream.arrival,
      atMs: stream.intendedMs - this.#startMs - this.#plan.load.warmupMs,
      outcome,
      lagMs: stream.lagMs,
      connectedMs: stream.connectedMs,
      firstByteMs: stream.firstByteMs,
      firstEventMs: stream.firstEventMs,
      overMs: stream.overMs as number,
      eventsMs: stream.marksMs ?? [],
    }
    if (stream.marksMs !== undefined && this.#watched.length < WATCHED) {
      this.#watched.push(sampled)
      return
    }
    if (this.#slowest.length < SLOWEST) this.#slowest.push(sampled)
    else if (slowness(sampled) > slowness(this.#slowest[0] as Sampled)) this.#slowest[0] = sampled
    else return
    this.#slowest.sort((one, other) => slowness(one) - slowness(other))
  }

  /** Of the generator's loop, each second. */
  noteLoop(): void {
    this.#busy.push([(nowMs() - this.#startMs - this.#plan.load.warmupMs) / 1_000, this.#utilisation()])
  }

  standing(): Standing {
    return {
      begun: this.begun,
      open: this.open,
      good: this.#good,
      failed: this.#failed,
      events: this.#eventsOfAll,
      utilisation: this.#busy.at(-1)?.[1] ?? 0,
    }
  }

  /** Since it was last asked for. */
  #utilisation(): number {
    const now = performance.eventLoopUtilization()
    const { active, idle } = performance.eventLoopUtilization(now, this.#loopBefore)
    const polledMs = this.#polledMs - this.#polledBeforeMs
    this.#loopBefore = now
    this.#polledBeforeMs = this.#polledMs
    return active + idle === 0 ? 0 : Math.max(0, active - polledMs) / (active + idle)
  }

  measurement({
    scheduled,
    sentForMs,
    lastIntendedMs,
    interrupted,
  }: Pick<Measurement, 'scheduled' | 'sentForMs' | 'lastIntendedMs' | 'interrupted'>): Measurement {
    const { load, stamp } = this.#plan
    const { active, idle } = performance.eventLoopUtilization(this.#loop)
    const windowMs = interrupted ? Math.max(1, sentForMs - load.warmupMs) : load.durationMs
    const fromMs = this.#startMs + load.warmupMs
    return {
      arrivals: this.#arrivals,
      startMs: this.#startMs,
      scheduled,
      outcomes: this.#outcomes,
      details: this.#details,
      statuses: this.#statuses,
      endedByProfiler: this.#endedByProfiler,
      withinSlo: this.#withinSlo,
      events: this.#events,
      bytes: this.#bytes,
      windowMs,
      receivedForMs: Math.max(windowMs, this.#lastEventAtMs - fromMs),
      ttfb: this.#ttfb.summary(),
      ttfe: this.#ttfe.summary(),
      total: this.#total.summary(),
      gap: this.#gap.summary(),
      latency: stamp === undefined ? undefined : this.#latency.summary(),
      unstamped: this.#unstamped,
      connectionsOpened: this.connectionsOpened,
      lag: this.#lag.summary(),
      lagP99Ms: rank(Float64Array.from(this.#lags).toSorted(), 0.99),
      utilisation: active + idle === 0 ? 0 : Math.max(0, active - this.#polledMs) / (active + idle),
      polling: active + idle === 0 ? 0 : this.#polledMs / (active + idle),
      sentForMs,
      lastIntendedMs,
      heat: {
        secondsPerColumn: load.durationMs / 1_000 / this.#columns,
        rows: Array.from(
          { length: HEAT_ROWS + 1 },
          (_, row) => HEAT_FROM_MS * 10 ** (row / HEAT_ROWS_PER_DECADE),
        ),
        counts: this.#heat,
      },
      busy: this.#busy,
      sampled: [...this.#watched, ...this.#slowest].toSorted((one, other) => one.atMs - other.atMs),
      interrupted,
    }
  }
}

function slowness({ firstEventMs }: Sampled): number {
  return firstEventMs ?? Infinity
}
