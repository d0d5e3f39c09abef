/**
 * Tests that draw at random have two forms. The short one, which CI runs, draws the same things each time. The long one
 * (`HEADFIRST_LONG=1 npx vitest run test/fuzz`) draws many more, and other ones each time. What fails names its
 * seed: `HEADFIRST_SEED=7` draws that again.
 */
export const LONG: boolean = (process.env['HEADFIRST_LONG'] ?? '') !== ''

export const SEED: number = Number(process.env['HEADFIRST_SEED'] ?? (LONG ? Date.now() % 1_000_000 : 1))

/** Of a test, in ms. */
export const TIMEOUT: number = LONG ? 3_600_000 : 60_000

/** How many, in this form. */
export const many = (short: number, long: number): number => (LONG ? long : short)

/** Whole numbers below a bound, the same ones for the same seed. */
export type Dice = (below: number) => number

/** A xorshift of 32 bits. */
export function dice(seed: number): Dice {
  let state = seed | 1
  return (below) => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    return (state >>> 4) % below
  }
}

/** The dice of one round of a test. */
export const diceOf = (round: number, seed: number = SEED): Dice =>
  dice(Math.imul(seed * 65_537 + round + 1, 0x9e3779b1))

export const pick = <T>(random: Dice, from: readonly T[]): T => from[random(from.length)] as T

/** True once in so many times. */
export const chance = (random: Dice, oneIn: number): boolean => random(oneIn) === 0

/** The same items in another order. */
export function shuffled<T>(random: Dice, items: readonly T[]): T[] {
  return items
    .map((item) => ({ item, place: random(2 ** 28) }))
    .toSorted((a, b) => a.place - b.place)
    .map(({ item }) => item)
}

/** Runs the rounds of a test one after the other; other tests' reports go out in between. */
export async function rounds(
  count: number,
  play: (random: Dice, round: number) => void | Promise<void>,
): Promise<void> {
  for (let round = 0; round < count; round++) {
    try {
      const played = play(diceOf(round), round)
      if (played !== undefined) await played
    } catch (cause) {
      throw new Error(`in round ${round} of HEADFIRST_SEED=${SEED}: ${(cause as Error).message}`, { cause })
    }
    if (round % 256 === 255) await new Promise((resolve) => setImmediate(resolve))
  }
}
