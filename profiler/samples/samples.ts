import { Distribution, type RecordedDistribution } from './distribution.ts'
import type { Summary } from '../plan.ts'

const TENTHS = 10
const MOST_RAW = 100_000
const FEWEST_FOR_P99 = 1_000
const FEWEST_FOR_P999 = 10_000
const CURVE_STEPS_PER_DECADE = 8
const STEP = 10 ** (1 / CURVE_STEPS_PER_DECADE)

/** Of each tenth of the run, as plain data. */
export type RecordedSamples = readonly RecordedDistribution[]

/** Samples of one metric, in ms, by the tenth of the run in which their stream was to begin. */
export class Samples {
  readonly #tenths = Array.from({ length: TENTHS }, () => new Distribution(MOST_RAW / TENTHS))

  /**
   * @param ms Infinity for a stream that has failed
   * @param share of the run that had passed, from 0 to 1
   */
  add(ms: number, share: number): void {
    const tenth = Math.min(TENTHS - 1, Math.max(0, Math.floor(share * TENTHS)))
    this.#tenths[tenth]?.add(ms)
  }

  /** Adds what another process has recorded. */
  include(recorded: RecordedSamples): void {
    for (const [tenth, part] of recorded.entries()) this.#tenths[tenth]?.includeRecorded(part)
  }

  recorded(): RecordedSamples {
    return this.#tenths.map((tenth) => tenth.recorded())
  }

  /** Of however many samples; NaN of none. */
  percentile(share: number): number {
    return this.#all().percentiles()(share)
  }

  summary(): Summary {
    const all = this.#all()
    const { samples, counted, failed, sum, min, max } = all
    const at = all.percentiles()
    return {
      samples,
      failed,
      min: counted === 0 ? NaN : min,
      mean: counted === 0 ? NaN : sum / counted,
      p50: at(0.5),
      p90: at(0.9),
      p95: at(0.95),
      p99: samples < FEWEST_FOR_P99 ? undefined : at(0.99),
      p999: samples < FEWEST_FOR_P999 ? undefined : at(0.999),
      max: samples === 0 ? NaN : failed > 0 ? Infinity : max,
      curve: curve(samples, at),
      tenths: {
        p50: this.#ofTenths(0.5),
        p90: this.#ofTenths(0.9),
        recorded: this.#sampled().map((tenth) => ({ histogram: tenth.encoded(), failed: tenth.failed })),
      },
    }
  }

  #all(): Distribution {
    const all = new Distribution(MOST_RAW)
    for (const tenth of this.#tenths) all.include(tenth)
    return all
  }

  #ofTenths(share: number): number[] {
    return this.#sampled().map((tenth) => tenth.percentiles()(share))
  }

  /** The tenths that have samples. */
  #sampled(): Distribution[] {
    return this.#tenths.filter(({ samples }) => samples > 0)
  }
}

/** Evenly spaced where x is 1 ÷ (1 − p), and no further than a tenth of the samples in the tail supports. */
function curve(samples: number, at: (share: number) => number): [percentile: number, ms: number][] {
  const points: [number, number][] = []
  for (let step = 0; ; step++) {
    const rest = 10 ** (-step / CURVE_STEPS_PER_DECADE)
    if (rest * samples < 10) return points
    // What is quoted most stands between two steps.
    for (const share of rest < 0.5 && rest >= 0.5 / STEP ? [0.5, 1 - rest] : [1 - rest]) {
      const ms = at(share)
      if (!Number.isFinite(ms)) return points
      points.push([share, ms])
    }
  }
}
