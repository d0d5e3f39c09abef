import { nowMs } from '../clock.ts'
import { shareOf, sums, type Part } from '../parts.ts'
import type { Measurement, Plan, Standing } from '../plan.ts'
import { measurementOf } from '../samples/measurement.ts'
import type { GeneratorQuestions } from './generator.ts'
import { Generators } from './generators.ts'
import { openingWithinMs, type Held } from './holding.ts'
import { isTooMuch } from './pressure.ts'
import { beside, type Remote } from './remote.ts'

/** From when all processes are ready until the first stream may begin. */
const LEAD_MS = 20
/** Beyond what a plan takes: for a machine that is busy. */
const SPARE_MS = 60_000

type Generator = Remote<GeneratorQuestions>

/** The load of a profile, divided among processes, and put together again. */
export class DividedLoad {
  readonly #generators = new Generators<GeneratorQuestions>(beside(import.meta.url, './generator'))
  /** How many have a part of the present run. */
  #running = 0

  /**
   * Makes ready what so many are to do.
   *
   * @throws when one is gone
   */
  async prepare(plan: Plan, count: number): Promise<void> {
    this.#running = count
    await this.#ask(count, async (generator, part) => generator.ask('prepare', { plan, part }, SPARE_MS))
  }

  /**
   * Runs what was prepared, in all processes from the same moment on.
   *
   * @returns when the run begins, and what came of it, which rejects when one of them is gone
   */
  run(plan: Plan): { startMs: number; measurement: Promise<Measurement> } {
    const { warmupMs, durationMs } = plan.load
    const { forMs, timeoutMs } = plan.end
    const withinMs = warmupMs + durationMs + (forMs ?? timeoutMs) + SPARE_MS
    const startMs = nowMs() + LEAD_MS
    const recordings = this.#ask(this.#running, async (generator) => generator.ask('run', startMs, withinMs))
    return { startMs, measurement: recordings.then((parts) => measurementOf(plan, startMs, parts)) }
  }

  async standing(): Promise<Standing> {
    const nothing: Standing = { begun: 0, open: 0, good: 0, failed: 0, events: 0 }
    const parts = await this.#ask(this.#running, async (one) => one.ask('standing', undefined, SPARE_MS))
    return sums([nothing, ...parts.filter((part) => part !== undefined)])
  }

  /** Whether one of them has had too much to do since this was last asked, in the warm-up of the present run. */
  async areTooFew(): Promise<boolean> {
    const pressures = await this.#ask(this.#running, async (one) => one.ask('pressure', undefined, SPARE_MS))
    return pressures.some((pressure) => pressure !== undefined && isTooMuch(pressure))
  }

  /** Ends the present run, with what there is. */
  abandon(): void {
    this.#ask(this.#running, async (one) => one.ask('abandon', undefined, SPARE_MS)).catch(() => {})
  }

  /** Ends what goes on, opening or measuring, with what there is. */
  stop(): void {
    const { count } = this.#generators
    this.#ask(count, async (one) => one.ask('stop', undefined, SPARE_MS)).catch(() => {})
  }

  /** Divides so many streams, to be held open, among so many processes: those that are open are moved. */
  async hold(plan: Plan, streams: number, count: number): Promise<void> {
    const withinMs = openingWithinMs(streams) + SPARE_MS
    await this.#ask(Math.min(count, streams), async (generator, part) =>
      generator.ask('hold', { plan, streams: shareOf(streams, part) }, withinMs),
    )
  }

  async held(): Promise<Held> {
    const parts = await this.#ask(this.#generators.count, async (one) => one.ask('held', undefined, SPARE_MS))
    const detail = parts.map((part) => part.detail).find((told) => told !== '') ?? ''
    return {
      open: parts.reduce((total, { open }) => total + open, 0),
      lost: parts.reduce((total, { lost }) => total + lost, 0),
      detail,
      untried: parts.reduce((total, { untried }) => total + untried, 0),
    }
  }

  async end(): Promise<void> {
    await this.#generators.end()
  }

  /** Asks so many of them at once. */
  async #ask<Answer>(
    count: number,
    ask: (generator: Generator, part: Part) => Promise<Answer>,
  ): Promise<Answer[]> {
    return this.#generators.ask(count, async (generator, part) =>
      ask(generator, part).catch((error: unknown) => {
        const which = count === 1 ? 'The load generator' : `Load generator ${part.place + 1} of ${count}`
        throw new Error(`${which} has failed, and the run with it: ${(error as Error).message}`, {
          cause: error,
        })
      }),
    )
  }
}
