import type { Outcome, Plan, Sampled, Standing } from '../plan.ts'
import { HeatMap } from '../samples/heat-map.ts'
import { LoopClock, since, utilisation } from '../samples/loop-time.ts'
import { rank } from '../samples/percentiles.ts'
import type { Counts, METRICS, Recording } from '../samples/recording.ts'
import { SampledStreams } from '../samples/sampled-streams.ts'
import { Samples } from '../samples/samples.ts'
import type { Pressure } from './pressure.ts'
import type { ScheduledStream } from './scheduled-stream.ts'

/** What came of the streams that one process has begun. */
export class Recorder {
  connectionsOpened = 0
  readonly #plan: Plan
  readonly #startMs: number
  readonly #samples: Record<(typeof METRICS)[number], Samples> = {
    ttfb: new Samples(),
    ttfe: new Samples(),
    total: new Samples(),
    gap: new Samples(),
    latency: new Samples(),
    lag: new Samples(),
  }
  readonly #counts: Omit<Counts, 'scheduled' | 'connectionsOpened'> = {
    arrivals: 0,
    endedByProfiler: 0,
    withinSlo: 0,
    events: 0,
    bytes: 0,
    unstamped: 0,
  }
  readonly #outcomes: Partial<Record<Outcome, number>> = {}
  readonly #details: Partial<Record<Outcome, string>> = {}
  readonly #statuses: Record<string, number> = {}
  readonly #heat: HeatMap
  readonly #streams: SampledStreams
  #lastEventMs = 0
  /** Warm-up and all. */
  readonly #standing: Standing = { begun: 0, open: 0, good: 0, failed: 0, events: 0 }
  readonly #loop = new LoopClock()
  #notedLoop = this.#loop.time()
  readonly #busy: [ms: number, share: number][] = []
  #pressedLoop = this.#loop.time()
  /** Of streams of the warm-up, since last asked for. */
  #lags: number[] = []

  /** @param expected arrivals of all processes, as far as they are known beforehand */
  constructor(plan: Plan, startMs: number, expected: number) {
    this.#plan = plan
    this.#startMs = startMs
    this.#heat = new HeatMap(plan.load)
    this.#streams = new SampledStreams(expected)
  }

  isWatched(arrival: number, share: number): boolean {
    return share >= 0 && this.#streams.isWatched(arrival)
  }

  /** Time that passed while the generator only looked whether the next arrival was due. */
  polled(ms: number): void {
    this.#loop.polled(ms)
  }

  begun(stream: ScheduledStream): void {
    this.#standing.begun++
    this.#standing.open++
    if (!stream.counts) this.#lags.push(stream.lagMs)
  }

  /** @param gapMs since the event before; undefined for the first */
  news({ share }: ScheduledStream, events: number, gapMs: number | undefined): void {
    if (gapMs !== undefined) this.#samples.gap.add(gapMs, share)
    for (let more = 1; more < events; more++) this.#samples.gap.add(0, share)
  }

  latency(stream: ScheduledStream, ms: number | undefined): void {
    if (ms === undefined) this.#counts.unstamped++
    else this.#samples.latency.add(ms, stream.share)
  }

  settled(stream: ScheduledStream): void {
    const outcome = stream.outcome as Outcome
    const isGood = outcome === 'good'
    this.#standing.open--
    this.#standing.events += stream.events
    this.#standing[isGood ? 'good' : 'failed']++
    if (!isGood) this.#details[outcome] ??= stream.detail
    if (!stream.counts) return
    this.#counts.arrivals++
    this.#outcomes[outcome] = (this.#outcomes[outcome] ?? 0) + 1
    const { status } = stream.reader
    if (outcome === 'status') this.#statuses[String(status)] = (this.#statuses[String(status)] ?? 0) + 1
    if (stream.wasEnded) this.#counts.endedByProfiler++
    const of = (ms: number | undefined): number => (isGood ? (ms ?? Infinity) : Infinity)
    const { share } = stream
    const { ttfb, ttfe, total, lag } = this.#samples
    ttfb.add(of(stream.firstByteMs), share)
    ttfe.add(of(stream.firstEventMs), share)
    total.add(of(stream.overMs), share)
    lag.add(stream.lagMs, share)
    this.#counts.events += stream.events
    this.#counts.bytes += stream.body.bytes
    if (stream.lastEventMs !== undefined) {
      this.#lastEventMs = Math.max(this.#lastEventMs, stream.intendedMs + stream.lastEventMs - this.#startMs)
    }
    if (isGood && this.#meetsSlo(stream)) this.#counts.withinSlo++
    this.#heat.add(share, of(stream.firstByteMs))
    this.#streams.add(this.#sampled(stream, outcome), stream.marksMs !== undefined)
  }

  #meetsSlo({
    firstByteMs = Infinity,
    firstEventMs = Infinity,
    longestGapMs,
    overMs = Infinity,
  }: ScheduledStream): boolean {
    const { ttfb, ttfe, gap, total } = this.#plan.slo ?? {}
    return (
      firstByteMs <= (ttfb ?? Infinity) &&
      firstEventMs <= (ttfe ?? Infinity) &&
      longestGapMs <= (gap ?? Infinity) &&
      overMs <= (total ?? Infinity)
    )
  }

  #sampled(stream: ScheduledStream, outcome: Outcome): Sampled {
    return {
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
  }

  /**
   * Notes how busy the loop was since the last note.
   *
   * @param ms since the start of the run
   */
  noteLoop(ms: number): void {
    const now = this.#loop.time()
    this.#busy.push([ms, utilisation(since(now, this.#notedLoop))])
    this.#notedLoop = now
  }

  standing(): Standing {
    return this.#standing
  }

  /** Since it was last asked for. */
  pressure(): Pressure {
    const now = this.#loop.time()
    const pressure = {
      utilisation: utilisation(since(now, this.#pressedLoop)),
      begun: this.#lags.length,
      lagP99Ms: rank(Float64Array.from(this.#lags).toSorted(), 0.99),
    }
    this.#pressedLoop = now
    this.#lags = []
    return pressure
  }

  recording(
    scheduled: number,
    about: Pick<Recording, 'sentForMs' | 'lastIntendedMs' | 'interrupted'>,
  ): Recording {
    const { ttfb, ttfe, total, gap, latency, lag } = this.#samples
    return {
      counts: { ...this.#counts, scheduled, connectionsOpened: this.connectionsOpened },
      outcomes: this.#outcomes,
      details: this.#details,
      statuses: this.#statuses,
      samples: {
        ttfb: ttfb.recorded(),
        ttfe: ttfe.recorded(),
        total: total.recorded(),
        gap: gap.recorded(),
        latency: latency.recorded(),
        lag: lag.recorded(),
      },
      heat: this.#heat.counts,
      streams: this.#streams.recorded(),
      loop: this.#loop.time(),
      busy: this.#busy,
      lastEventMs: this.#lastEventMs,
      ...about,
    }
  }
}
