/**
 * The load generator's processes, seen from their parent: one, or as many as `--generators` says. Each takes its part
 * of a load, and what they have recorded is put together as if it had been one.
 */
import type { Heard, Total } from './audience.ts'
import { nowMs } from '../../profiler/clock.ts'
import type { ClosedLoopPlan, GeneratorQuestions, HoldPlan, Recording } from './generator.ts'
import { shareOf, sums } from '../../profiler/parts.ts'
import { beside, Remote } from '../../profiler/load/remote.ts'
import type { Target } from './stream-client.ts'

/** From when a load is handed out until its first arrival: all processes must have it by then. */
const LEAD_MS = 50

type Generator = Remote<GeneratorQuestions>

export class Generators {
  readonly #processes: readonly Generator[]

  /** @param count of processes, from 1 */
  constructor(count: number) {
    this.#processes = Array.from(
      { length: count },
      () => new Remote<GeneratorQuestions>(beside(import.meta.url, './generator')),
    )
  }

  /**
   * Streams at given times. Of several processes each takes every n-th arrival, so that together they make the very
   * load that one would make.
   *
   * @param schedule ms since the start, ascending
   * @param drainMs streams that are not complete this long after the last arrival count as timed out
   */
  async openLoop(
    target: Target,
    schedule: Float64Array,
    drainMs: number,
    timeoutMs: number,
  ): Promise<Recording> {
    const startMs = nowMs() + LEAD_MS
    const overMs = (schedule.at(-1) ?? 0) + drainMs
    const busy = this.#processes.slice(0, Math.max(1, schedule.length))
    const parts = await Promise.all(
      busy.map(async (generator, place) => {
        const part = schedule.filter((_, arrival) => arrival % busy.length === place)
        return generator.ask('openLoop', { ...target, schedule: part, startMs, overMs }, timeoutMs)
      }),
    )
    return together(parts)
  }

  /** A number of streams, so many at a time. */
  async closedLoop({ streams, atATime, ...plan }: ClosedLoopPlan, timeoutMs: number): Promise<Recording> {
    const busy = this.#processes.slice(0, Math.min(streams, atATime))
    const parts = await Promise.all(
      busy.map(async (generator, place) => {
        const part = { place, of: busy.length }
        const divided = { streams: shareOf(streams, part), atATime: shareOf(atATime, part) }
        return generator.ask('closedLoop', { ...plan, ...divided }, timeoutMs)
      }),
    )
    return together(parts)
  }

  /** @returns how many streams are held now, with their heads received */
  async hold({ streams, ...plan }: Omit<HoldPlan, 'place'>, timeoutMs: number): Promise<number> {
    const of = this.#processes.length
    const open = await this.#each(async (generator, place) =>
      generator.ask('hold', { ...plan, place, streams: shareOf(streams, { place, of }) }, timeoutMs),
    )
    return sum(open)
  }

  async release(port: number, timeoutMs: number): Promise<void> {
    await this.#each(async (generator) => generator.ask('release', { port }, timeoutMs))
  }

  async heard(port: number, timeoutMs: number): Promise<Heard> {
    const parts = await this.#each(async (generator) => generator.ask('heard', { port }, timeoutMs))
    return {
      events: sum(parts.map(({ events }) => events)),
      latenciesMs: Float64Array.from(parts.flatMap(({ latenciesMs }) => [...latenciesMs])),
    }
  }

  async over(port: number, timeoutMs: number): Promise<Total> {
    const parts = await this.#each(async (generator) => generator.ask('over', { port }, timeoutMs))
    return {
      streams: sum(parts.map(({ streams }) => streams)),
      outcomes: sums(parts.map(({ outcomes }) => outcomes)),
      events: sum(parts.map(({ events }) => events)),
      bytes: sum(parts.map(({ bytes }) => bytes)),
      holes: sum(parts.map(({ holes }) => holes)),
    }
  }

  async #each<Answer>(ask: (generator: Generator, place: number) => Promise<Answer>): Promise<Answer[]> {
    return Promise.all(this.#processes.map(ask))
  }
}

/** What several processes have recorded, each of every n-th arrival. */
export function together(parts: readonly Recording[]): Recording {
  const [first] = parts
  if (first !== undefined && parts.length === 1) return first
  const added = (of: (part: Recording) => number): number => sum(parts.map(of))
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
    utilisation: Math.max(...parts.map(({ utilisation }) => utilisation)),
    cpuMs: added((part) => part.cpuMs),
    sentForMs: Math.max(...parts.map(({ sentForMs }) => sentForMs)),
  }
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0)
}
