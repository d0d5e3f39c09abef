/**
 * The load on a server under test: clients in processes of their own, seen from their parent. There is one process, or
 * as many as `--generators` names; each takes its part of a load, and what they have recorded is put together as if it
 * had been one.
 *
 * Their streams are those of the profiler's client; what is the bench's own is what is known of them beforehand, and so
 * can be checked: `target.ts`, `outcome.ts`.
 */
import { nowMs } from '../../profiler/clock.ts'
import { Generators } from '../../profiler/load/generators.ts'
import { beside, type Remote } from '../../profiler/load/remote.ts'
import { shareOf, sums, type Part } from '../../profiler/parts.ts'
import type { Heard, Total } from './audience.ts'
import type { ClosedLoopPlan, GeneratorQuestions, HoldPlan } from './generator.ts'
import { together, type Recording } from './recording.ts'
import type { Target } from './target.ts'

/** From when a load is handed out until its first arrival: all processes must have it by then. */
const LEAD_MS = 50

type Generator = Remote<GeneratorQuestions>

export class Load {
  readonly #generators = new Generators<GeneratorQuestions>(beside(import.meta.url, './generator'))
  readonly #count: number

  /** @param generators processes, from 1: they start now */
  constructor(generators: number) {
    this.#count = generators
    this.#generators.start(generators)
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
    const busy = Math.min(this.#count, Math.max(1, schedule.length))
    const parts = await this.#generators.ask(busy, async (generator, part) =>
      generator.ask('openLoop', { ...target, schedule, part, startMs, overMs }, timeoutMs),
    )
    return together(parts)
  }

  /** A number of streams, so many at a time. */
  async closedLoop({ streams, atATime, ...plan }: ClosedLoopPlan, timeoutMs: number): Promise<Recording> {
    const busy = Math.min(this.#count, streams, atATime)
    const parts = await this.#generators.ask(busy, async (generator, part) => {
      const divided = { streams: shareOf(streams, part), atATime: shareOf(atATime, part) }
      return generator.ask('closedLoop', { ...plan, ...divided }, timeoutMs)
    })
    return together(parts)
  }

  /** @returns how many streams are held now, with their heads received */
  async hold({ streams, ...plan }: Omit<HoldPlan, 'place'>, timeoutMs: number): Promise<number> {
    const open = await this.#each(async (generator, part) =>
      generator.ask('hold', { ...plan, place: part.place, streams: shareOf(streams, part) }, timeoutMs),
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

  async #each<Answer>(ask: (generator: Generator, part: Part) => Promise<Answer>): Promise<Answer[]> {
    return this.#generators.ask(this.#count, ask)
  }
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0)
}
