import { Remote } from '../remote.ts'
import type { GeneratorQuestions, Held } from './generator.ts'
import type { Measurement, Plan, Standing } from './plan.ts'

const SHOWN_EACH_MS = 500
/** Beyond what the plan takes: for a machine that is busy. */
const SPARE_MS = 60_000

/** The generator's process, for one profile. */
export class Session {
  readonly #generator = new Remote<GeneratorQuestions>('profile/generator')
  #interrupted = false

  get interrupted(): boolean {
    return this.#interrupted
  }

  /** @param tell called now and then, to show how it goes */
  async measure(plan: Plan, tell: (standing: Standing) => void): Promise<Measurement> {
    const { warmupMs, durationMs } = plan.load
    const { forMs, timeoutMs } = plan.end
    const showing = setInterval(() => {
      this.#generator.ask('standing', undefined, SPARE_MS).then(
        (standing) => standing !== undefined && tell(standing),
        () => {},
      )
    }, SHOWN_EACH_MS)
    try {
      return await this.#generator.ask('run', plan, warmupMs + durationMs + (forMs ?? timeoutMs) + SPARE_MS)
    } finally {
      clearInterval(showing)
    }
  }

  async hold(plan: Plan, streams: number): Promise<Held> {
    return this.#generator.ask('hold', { plan, streams }, streams * plan.end.timeoutMs + SPARE_MS)
  }

  async held(): Promise<Held> {
    return this.#generator.ask('held', undefined, SPARE_MS)
  }

  /** The measurement that runs ends now, with what there is. */
  interrupt(): void {
    this.#interrupted = true
    this.#generator.ask('stop', undefined, SPARE_MS).catch(() => {})
  }

  async end(): Promise<void> {
    await this.#generator.stop()
  }
}
