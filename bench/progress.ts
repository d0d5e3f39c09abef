import { widthOf } from './report/terminal.ts'

/** One line on stderr that says what is being measured; nothing where nobody watches. */
export class Progress {
  readonly #steps: number
  readonly #began = performance.now()
  #step = 0

  constructor(steps: number) {
    this.#steps = steps
  }

  next(what: string): void {
    this.#step++
    this.now(what)
  }

  /** Within a step. */
  now(what: string): void {
    const seconds = Math.round((performance.now() - this.#began) / 1_000)
    this.#show(`[${this.#step}/${this.#steps}] ${what}, after ${seconds} s`)
  }

  clear(): void {
    this.#show('')
  }

  #show(text: string): void {
    if (!process.stderr.isTTY) return
    // A line that is wrapped could not be cleared.
    process.stderr.write(`\r\u001B[K${text.slice(0, widthOf(process.stderr) - 1)}`)
  }
}
