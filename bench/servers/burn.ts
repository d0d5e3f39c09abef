/**
 * A producer's blocking work: a counted number of arithmetic steps.
 *
 * It is counted and not timed on purpose. A loop that runs until a clock shows 5 ms does less work the more
 * threads compete for a core, so that an overloaded machine would seem to have capacity to spare.
 */

/** @returns a number that depends on every step, for the caller to use: unused work would be optimized away */
export function burn(steps: number): number {
  let value = 1
  for (let step = 0; step < steps; step++) value = (Math.imul(value, 1_664_525) + 1_013_904_223) | 0
  return value
}

const TRIAL_STEPS = 2_000_000
const TRIALS = 60

/**
 * How many steps take 1 ms on an otherwise idle core. The fastest trial counts: whatever disturbs a trial makes
 * it slower, nothing makes it faster.
 */
export function stepsPerMs(): number {
  let fastestMs = Infinity
  let result = 0
  for (let trial = 0; trial < TRIALS; trial++) {
    const began = performance.now()
    result ^= burn(TRIAL_STEPS)
    fastestMs = Math.min(fastestMs, performance.now() - began)
  }
  if (Number.isNaN(result)) throw new Error('The calibration has computed nothing')
  return TRIAL_STEPS / fastestMs
}
