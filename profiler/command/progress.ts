/** The progress of a run, on stderr. */
import { widthOf } from '../report/terminal.ts'

/** Shows one line on stderr, in the place of the last; '' clears it. Nothing where stderr is no terminal. */
export function showLine(text: string): void {
  if (!process.stderr.isTTY) return
  // A line that is wrapped could not be cleared.
  process.stderr.write(`\r\u001B[K${text.slice(0, widthOf(process.stderr) - 1)}`)
}

/** What is being measured, and how much of it is done, as a line on stderr. */
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
    showLine(`[${this.#step}/${this.#steps}] ${what}, after ${seconds} s`)
  }

  clear(): void {
    showLine('')
  }
}
