import { nowMs } from '../clock.ts'
import { shareOf } from '../parts.ts'
import { beside, Remote } from './remote.ts'
import type { GeneratorQuestions } from './generator.ts'
import type { Held } from './holding.ts'
import { measurementOf } from '../samples/measurement.ts'
import type { Measurement, Plan, Standing } from '../plan.ts'
import { isTooMuch } from './pressure.ts'

/** From when all processes are ready until the first stream may begin. */
const LEAD_MS = 20
/** Beyond what a plan takes: for a machine that is busy. */
const SPARE_MS = 60_000

type Generator = Remote<GeneratorQuestions>

/** The processes that make the load: each has its part of it. */
export class Generators {
  readonly #processes: Generator[] = []
  /** Those that have a part of the present run. */
  #running: readonly Generator[] = []

  /**
   * Makes ready what so many are to do.
   *
   * @throws when one is gone
   */
  async prepare(plan: Plan, count: number): Promise<void> {
    this.#running = this.#some(count)
    await each(this.#running, async (generator, place) =>
      generator.ask('prepare', { plan, part: { place, of: count } }, SPARE_MS),
    )
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
    const recordings = each(this.#running, async (generator) => generator.ask('run', startMs, withinMs))
    return { startMs, measurement: recordings.then((parts) => measurementOf(plan, startMs, parts)) }
  }

  async standing(): Promise<Standing> {
    const sum: Standing = { begun: 0, open: 0, good: 0, failed: 0, events: 0 }
    for (const part of await each(this.#running, async (one) => one.ask('standing', undefined, SPARE_MS))) {
      for (const key of Object.keys(sum) as (keyof Standing)[]) sum[key] += part?.[key] ?? 0
    }
    return sum
  }

  /** Whether one of them has had too much to do since this was last asked, in the warm-up of the present run. */
  async areTooFew(): Promise<boolean> {
    const pressures = await each(this.#running, async (one) => one.ask('pressure', undefined, SPARE_MS))
    return pressures.some((pressure) => pressure !== undefined && isTooMuch(pressure))
  }

  /** Ends the present run, with what there is. */
  abandon(): void {
    for (const generator of this.#running) generator.ask('abandon', undefined, SPARE_MS).catch(() => {})
  }

  /** Ends what goes on, opening or measuring, with what there is. */
  stop(): void {
    for (const generator of this.#processes) generator.ask('stop', undefined, SPARE_MS).catch(() => {})
  }

  /** Divides so many streams, to be held open, among so many processes: those that are open are moved. */
  async hold(plan: Plan, streams: number, count: number): Promise<void> {
    const of = Math.min(count, streams)
    const withinMs = streams * plan.end.timeoutMs + SPARE_MS
    await each(this.#some(of), async (generator, place) =>
      generator.ask('hold', { plan, streams: shareOf(streams, { place, of }) }, withinMs),
    )
  }

  async held(): Promise<Held> {
    const sum: Held = { open: 0, lost: 0, detail: '' }
    for (const part of await each(this.#processes, async (one) => one.ask('held', undefined, SPARE_MS))) {
      const { open, lost, detail } = part
      sum.open += open
      sum.lost += lost
      sum.detail ||= detail
    }
    return sum
  }

  async end(): Promise<void> {
    await Promise.all(this.#processes.map(async (generator) => generator.stop()))
  }

  #some(count: number): readonly Generator[] {
    while (this.#processes.length < count)
      this.#processes.push(new Remote(beside(import.meta.url, './generator')))
    return this.#processes.slice(0, count)
  }
}

/** Asks all of them at once. */
async function each<Answer>(
  generators: readonly Generator[],
  ask: (generator: Generator, place: number) => Promise<Answer>,
): Promise<Answer[]> {
  const { length } = generators
  return Promise.all(
    generators.map(async (generator, place) =>
      ask(generator, place).catch((error: unknown) => {
        const which = length === 1 ? 'The load generator' : `Load generator ${place + 1} of ${length}`
        throw new Error(`${which} has failed, and the run with it: ${(error as Error).message}`, {
          cause: error,
        })
      }),
    ),
  )
}
