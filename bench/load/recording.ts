import type { Stream } from '../../profiler/client/stream.ts'
import { sums } from '../../profiler/parts.ts'
import { LoopClock, utilisation } from '../../profiler/samples/loop-time.ts'
import { outcomeOf, type Outcome } from './outcome.ts'
import { TargetStreams } from './target-streams.ts'
import type { Target } from './target.ts'

/** What came of a number of streams. Arrays are by arrival; times in ms since each intended start. */
export interface Recording {
  lagMs: Float64Array
  /** Infinity for a stream that was not good. */
  firstByteMs: Float64Array
  firstEventMs: Float64Array
  lastEventMs: Float64Array
  outcomes: Partial<Record<Outcome, number>>
  /** Events and bytes of the body received, on all streams; the bytes without their content coding. */
  events: number
  bytes: number
  /** All bytes read: heads, framing, and bodies in their content coding. */
  wireBytes: number
  /** When each event was sent, on the host's clock, and from then to its receipt; empty where none is stamped. */
  stampsMs: Float64Array
  latenciesMs: Float64Array
  /** Of the generator's event loop, 0 to 1, waiting by polling included. */
  utilisation: number
  /** CPU time of the generator's process. */
  cpuMs: number
  /** From the first intended start to the last actual one. */
  sentForMs: number
}

/** The streams of one load, in the order in which they begin, and how busy this process is meanwhile. */
export class RecordedStreams {
  readonly all: Stream[] = []
  readonly #target: Target
  readonly #streams: TargetStreams
  readonly #stampsMs: number[] = []
  readonly #latenciesMs: number[] = []
  readonly #loop = new LoopClock()
  readonly #cpu = process.cpuUsage()

  /** @param onSettled called when one is over */
  constructor(target: Target, onSettled: () => void = () => {}) {
    this.#target = target
    this.#streams = new TargetStreams(target, {
      settled: onSettled,
      stamped: (latencyMs, sentMs) => {
        this.#stampsMs.push(sentMs)
        this.#latenciesMs.push(latencyMs)
      },
    })
  }

  begin(intendedMs: number): void {
    this.all.push(this.#streams.begin(intendedMs))
  }

  /** One that has so long to be over. */
  async take(intendedMs: number, withinMs: number): Promise<void> {
    const stream = this.#streams.begin(intendedMs)
    this.all.push(stream)
    await this.#streams.over(stream, withinMs)
  }

  recording(sentForMs: number): Recording {
    const outcomes = this.all.map((stream) => outcomeOf(stream, this.#target.events))
    const counts: Recording['outcomes'] = {}
    for (const outcome of outcomes) counts[outcome] = (counts[outcome] ?? 0) + 1
    const ofGood = (time: (stream: Stream) => number | undefined): Float64Array =>
      Float64Array.from(this.all, (stream, arrival) =>
        outcomes[arrival] === 'good' ? (time(stream) ?? Infinity) : Infinity,
      )
    const sum = (of: (stream: Stream) => number): number =>
      this.all.reduce((total, stream) => total + of(stream), 0)
    const { user, system } = process.cpuUsage(this.#cpu)
    return {
      lagMs: Float64Array.from(this.all, ({ lagMs }) => lagMs),
      firstByteMs: ofGood(({ firstByteMs }) => firstByteMs),
      firstEventMs: ofGood(({ firstEventMs }) => firstEventMs),
      lastEventMs: ofGood(({ lastEventMs }) => lastEventMs),
      outcomes: counts,
      events: sum(({ events }) => events),
      bytes: sum(({ body }) => body.bytes),
      wireBytes: sum(({ wireBytes }) => wireBytes),
      stampsMs: Float64Array.from(this.#stampsMs),
      latenciesMs: Float64Array.from(this.#latenciesMs),
      utilisation: utilisation(this.#loop.time()),
      cpuMs: (user + system) / 1_000,
      sentForMs,
    }
  }
}

/** What several processes have recorded, each of every n-th arrival. */
export function together(parts: readonly Recording[]): Recording {
  const [first] = parts
  if (first !== undefined && parts.length === 1) return first
  const added = (of: (part: Recording) => number): number =>
    parts.reduce((total, part) => total + of(part), 0)
  const inTurn = (of: (part: Recording) => Float64Array): Float64Array => {
    const [all, arrivals] = [parts.map(of), added((part) => part.lagMs.length)]
    return Float64Array.from(
      { length: arrivals },
      (_, arrival) => all[arrival % all.length]?.[Math.floor(arrival / all.length)] ?? Infinity,
    )
  }
  const joined = (of: (part: Recording) => Float64Array): Float64Array =>
    Float64Array.from(parts.flatMap((part) => [...of(part)]))
  return {
    lagMs: inTurn((part) => part.lagMs),
    firstByteMs: inTurn((part) => part.firstByteMs),
    firstEventMs: inTurn((part) => part.firstEventMs),
    lastEventMs: inTurn((part) => part.lastEventMs),
    outcomes: sums(parts.map(({ outcomes }) => outcomes)),
    events: added((part) => part.events),
    bytes: added((part) => part.bytes),
    wireBytes: added((part) => part.wireBytes),
    stampsMs: joined((part) => part.stampsMs),
    latenciesMs: joined((part) => part.latenciesMs),
    utilisation: Math.max(...parts.map((part) => part.utilisation)),
    cpuMs: added((part) => part.cpuMs),
    sentForMs: Math.max(...parts.map(({ sentForMs }) => sentForMs)),
  }
}
