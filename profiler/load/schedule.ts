/** When clients arrive: an open loop, made beforehand, whatever becomes of those before. */

/**
 * Mulberry32: small, seeded, and even enough for arrival times and markup.
 *
 * @returns makes numbers from 0 to below 1
 */
export function randomFrom(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

/**
 * Poisson arrivals: independent clients, whose gaps are exponential. The same seed gives the same schedule, so
 * that all executors of a scenario face the same clients.
 *
 * @returns ms since the start, ascending
 */
export function poissonSchedule(arrivals: number, perSecond: number, seed: number): Float64Array {
  const random = randomFrom(seed)
  const schedule = new Float64Array(arrivals)
  let atMs = 0
  for (let index = 0; index < arrivals; index++) {
    atMs += (-Math.log(1 - random()) * 1_000) / perSecond
    schedule[index] = atMs
  }
  return schedule
}
