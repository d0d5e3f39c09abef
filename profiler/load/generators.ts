import type { Part } from '../parts.ts'
import { Remote, type Questions } from './remote.ts'

/** The processes that make a load: each has its part of it. */
export class Generators<Asked extends Questions> {
  readonly #module: URL
  readonly #processes: Remote<Asked>[] = []

  /** @param module the URL of the module that each of them runs */
  constructor(module: URL) {
    this.#module = module
  }

  /** How many there are. */
  get count(): number {
    return this.#processes.length
  }

  /** Starts those that are missing to so many. */
  start(count: number): void {
    while (this.#processes.length < count) this.#processes.push(new Remote(this.#module))
  }

  /**
   * Asks the first so many at once. Those that are missing are started.
   *
   * @param ask gets the part of the load that is the generator's
   * @throws when one of them has no answer
   */
  async ask<Answer>(
    count: number,
    ask: (generator: Remote<Asked>, part: Part) => Promise<Answer>,
  ): Promise<Answer[]> {
    this.start(count)
    const asked = this.#processes.slice(0, count)
    return Promise.all(asked.map(async (generator, place) => ask(generator, { place, of: count })))
  }

  async end(): Promise<void> {
    await Promise.all(this.#processes.map(async (generator) => generator.stop()))
  }
}
