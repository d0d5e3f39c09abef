/** Whether the long forms run, which take minutes. */
export const LONG: boolean = process.env['HEADFIRST_LONG'] === '1'

/** Another one with HEADFIRST_SEED; a test that fails names it. */
export const SEED: number = Number(process.env['HEADFIRST_SEED'] ?? 20_251)

/** Numbers from 0 to 1 that are the same for each seed (mulberry32). */
export function randomNumbers(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d_2b_79_f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}
