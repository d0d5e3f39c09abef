import { nowMs } from '../clock.ts'
import type { Part } from '../parts.ts'

/** What begins when it is due. */
export interface Arrivals {
  /**
   * It is time for the next one.
   *
   * @param offsetMs when it was to begin, in ms since the start
   * @param arrival its place in the schedule
   */
  begin(offsetMs: number, arrival: number): void
  /** The last one has begun. */
  allBegun?(): void
  /** For so many ms the loop has only looked whether the next one is due. */
  polled?(ms: number): void
}

/** The finest pace that timers keep, twice over: from here on an arrival is waited for by polling. */
export const POLLED_MS = 2

/**
 * Begins one after another at the times of a schedule, whatever becomes of those before. Timers are good to a
 * millisecond: the last bit before an arrival is waited for by polling the loop, which also reads what comes in
 * without delay.
 */
export class Timetable {
  readonly #schedule: Float64Array
  readonly #startMs: number
  readonly #part: Part
  readonly #pollMs: number
  readonly #arrivals: Arrivals
  /** Place in the schedule of the next that is this part's. */
  #next: number
  #timer: NodeJS.Timeout | undefined
  #polledSince: number | undefined
  #news = 0
  #isStopped = false

  /**
   * @param schedule ms since the start, ascending
   * @param startMs the start, on the host's monotonic clock
   * @param part of the schedule that is begun here
   * @param pollMs before an arrival so long is polled
   */
  constructor(
    schedule: Float64Array,
    startMs: number,
    part: Part,
    arrivals: Arrivals,
    pollMs: number = POLLED_MS,
  ) {
    this.#schedule = schedule
    this.#startMs = startMs
    this.#part = part
    this.#next = part.place
    this.#arrivals = arrivals
    this.#pollMs = pollMs
  }

  begin(): void {
    this.#arrive()
  }

  stop(): void {
    this.#isStopped = true
    clearTimeout(this.#timer)
  }

  /** Something has come in: the present turn of the loop is work, and no polling. */
  noteNews(): void {
    this.#news++
  }

  readonly #arrive = (): void => {
    this.#notePolling()
    while (!this.#isStopped) {
      const offsetMs = this.#schedule[this.#next]
      if (offsetMs === undefined) {
        this.#isStopped = true
        this.#arrivals.allBegun?.()
        return
      }
      const leftMs = this.#startMs + offsetMs - nowMs()
      if (leftMs > this.#pollMs) {
        this.#timer = setTimeout(this.#arrive, Math.max(1, Math.floor(leftMs - 1)))
        return
      }
      if (leftMs > 0) {
        this.#poll()
        return
      }
      const arrival = this.#next
      this.#next += this.#part.of
      this.#arrivals.begin(offsetMs, arrival)
    }
  }

  #poll(): void {
    this.#polledSince = nowMs()
    this.#news = 0
    setImmediate(this.#arrive)
  }

  /** A turn of the loop in which nothing came was waiting, and not work. */
  #notePolling(): void {
    if (this.#polledSince !== undefined && this.#news === 0) {
      this.#arrivals.polled?.(nowMs() - this.#polledSince)
    }
    this.#polledSince = undefined
  }
}
