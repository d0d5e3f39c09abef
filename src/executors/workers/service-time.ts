/** How much the newest service time counts in their moving average. */
const NEWEST_SHARE = 0.1

/** How long streams occupy their places, and from that when one becomes free. */
export class ServiceTime {
  /** A moving average, in ms; 0 while none is known. */
  #ms = 0

  /** A stream has given back its place after so many ms. */
  add(ms: number): void {
    this.#ms = this.#ms === 0 ? ms : this.#ms + (ms - this.#ms) * NEWEST_SHARE
  }

  /** @returns in how many ms a stream that comes now may have a place, if so many wait for one of so many places */
  expected(waiting: number, places: number): number {
    return (this.#ms * (waiting + 1)) / places
  }
}
