import { until } from '../../src/testing/flags.ts'

/** Where a server is held until the test lets it go on: in a handler, in a hook. */
export class Gate {
  readonly #held: (() => void)[] = []
  #isOpen = false

  /** Called by what is held. Resolves when the gate is open. */
  async pass(): Promise<void> {
    if (!this.#isOpen) await new Promise<void>((resolve) => this.#held.push(resolve))
  }

  /** Resolves when so many are held. */
  async reached(count = 1): Promise<void> {
    await until(() => this.#held.length >= count, `${count} to be held`)
  }

  open(): void {
    this.#isOpen = true
    for (const resolve of this.#held) resolve()
  }
}
