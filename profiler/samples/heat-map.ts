import type { Load } from '../plan.ts'

const MOST_COLUMNS = 60
/** Rows from 0.1 ms, six to a decade, up to 100 s. */
const FROM_MS = 0.1
const ROWS_PER_DECADE = 6
const ROWS = 6 * ROWS_PER_DECADE

/** A metric over time: how many streams, by column of time, then by row of ms. */
export class HeatMap {
  readonly counts: number[][]
  readonly #durationMs: number

  constructor({ durationMs }: Load) {
    this.#durationMs = durationMs
    const columns = Math.max(1, Math.min(MOST_COLUMNS, Math.ceil(durationMs / 1_000)))
    this.counts = Array.from({ length: columns }, () => Array.from({ length: ROWS }, () => 0))
  }

  /**
   * @param share of the run that had passed, from 0 to 1
   * @param ms Infinity stands in the highest row
   */
  add(share: number, ms: number): void {
    const row = Number.isFinite(ms) ? Math.floor(Math.log10(ms / FROM_MS) * ROWS_PER_DECADE) : ROWS - 1
    this.#add(
      Math.min(this.counts.length - 1, Math.floor(share * this.counts.length)),
      Math.min(ROWS - 1, Math.max(0, row)),
      1,
    )
  }

  /** @param counts of the same run, by another process */
  include(counts: readonly (readonly number[])[]): void {
    for (const [column, cells] of counts.entries()) {
      for (const [row, count] of cells.entries()) this.#add(column, row, count)
    }
  }

  get secondsPerColumn(): number {
    return this.#durationMs / 1_000 / this.counts.length
  }

  /** Where the rows begin, in ms, and where the last one ends. */
  get rows(): number[] {
    return Array.from({ length: ROWS + 1 }, (_, row) => FROM_MS * 10 ** (row / ROWS_PER_DECADE))
  }

  #add(column: number, row: number, count: number): void {
    const cells = this.counts[column] as number[]
    cells[row] = (cells[row] as number) + count
  }
}
