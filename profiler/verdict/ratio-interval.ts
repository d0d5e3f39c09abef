/**
 * How far chance alone could have moved the ratio of a percentile, from one run to another.
 *
 * A bootstrap over blocks of time: streams that begin one after another are slow together, so that no stream can be
 * drawn by itself. Of each run tenths are drawn again, with replacement, their samples are put together, and their
 * percentile is taken: the same figure as that of the whole run. Of the ratios of many draws the middle 95 % are kept.
 *
 * So few tenths vary less than that of which they are a sample, and the middle of few draws is less certain than that
 * of many: where each run has n tenths, Student's t with 2n − 2 degrees of freedom has n ÷ (n − 2) times the variance
 * that such draws have. To draw two fewer makes up for both.
 */
import { randomFrom } from '../load/schedule.ts'
import { rank } from '../samples/percentiles.ts'
import type { PooledTenths } from '../samples/pooled-tenths.ts'

export type Interval = [low: number, high: number]

const RESAMPLES = 2_000
const FEWEST_TENTHS = 5
const LEFT_OUT = 2
/** A percentile above which there are fewer samples depends on single ones. */
const FEWEST_ABOVE = 5
/** The same two runs always have the same interval. */
const SEED = 1

/**
 * The interval of 95 % of now ÷ before.
 *
 * @param share which percentile, from 0 to 1
 * @returns `high` is Infinity where so many may fail; undefined for too few samples, and where draws have no ratio
 */
export function ratioInterval(before: PooledTenths, now: PooledTenths, share: number): Interval | undefined {
  if (Math.min(before.tenths, now.tenths) < FEWEST_TENTHS) return undefined
  if ((1 - share) * Math.min(before.samples, now.samples) < FEWEST_ABOVE - 1e-9) return undefined
  const random = randomFrom(SEED)
  const drawn = (run: PooledTenths): number => run.percentile(share, draw(run.tenths, random))
  const ratios = Float64Array.from({ length: RESAMPLES }, () => drawn(now) / drawn(before)).toSorted()
  // Where both are 0 or Infinity, there is none.
  if (Number.isNaN(ratios.at(-1))) return undefined
  return [rank(ratios, 0.025), rank(ratios, 0.975)]
}

/** How often each of so many is drawn. */
function draw(tenths: number, random: () => number): Float64Array {
  const times = new Float64Array(tenths)
  for (let drawn = 0; drawn < tenths - LEFT_OUT; drawn++) {
    const tenth = Math.floor(random() * tenths)
    times[tenth] = (times[tenth] ?? 0) + 1
  }
  return times
}
