import { build, type Histogram } from 'hdr-histogram-js'
import { rank } from '../percentiles.ts'
import type { Summary } from './plan.ts'

/** Above so many samples a histogram takes over: it needs no more memory, and is right to a thousandth. */
const MOST_RAW = 100_000
const FEWEST_FOR_P99 = 1_000
const FEWEST_FOR_P999 = 10_000
/** The histogram counts whole microseconds, up to an hour. */
const PER_MS = 1_000
const LONGEST_US = 3_600_000_000
const TENTHS = 10
/** Per tenth of the run; after that every sample is as good as any other for a median. */
const MOST_PER_TENTH = 2_000
const CURVE_STEPS_PER_DECADE = 8
const STEP = 10 ** (1 / CURVE_STEPS_PER_DECADE)

/**
 * Samples of one metric, in ms: raw as long as they are few, in an HDR histogram (3 significant digits) from then on.
 * A failed stream is a sample too: slower than every other.
 */
export class Samples {
  #raw: number[] | undefined = []
  #histogram: Histogram | undefined
  #failed = 0
  #sum = 0
  #min = Infinity
  #max = -Infinity
  readonly #tenths: number[][] = Array.from({ length: TENTHS }, () => [])

  /** @param share of the run that had passed, from 0 to 1 */
  add(ms: number, share: number): void {
    const tenth = this.#tenths[Math.min(TENTHS - 1, Math.max(0, Math.floor(share * TENTHS)))] as number[]
    if (tenth.length < MOST_PER_TENTH) tenth.push(ms)
    if (ms === Infinity) {
      this.#failed++
      return
    }
    this.#sum += ms
    if (ms < this.#min) this.#min = ms
    if (ms > this.#max) this.#max = ms
    if (this.#raw === undefined) {
      this.#count(ms)
      return
    }
    this.#raw.push(ms)
    if (this.#raw.length > MOST_RAW) {
      const raw = this.#raw
      this.#raw = undefined
      for (const sample of raw) this.#count(sample)
    }
  }

  summary(): Summary {
    const counted = this.#raw?.length ?? this.#histogram?.totalCount ?? 0
    const samples = counted + this.#failed
    const sorted = this.#raw === undefined ? undefined : Float64Array.from(this.#raw).toSorted()
    const at = (share: number): number => {
      if (samples === 0) return NaN
      const place = Math.max(1, Math.ceil(share * samples - 1e-9))
      if (place > counted) return Infinity
      if (sorted !== undefined) return sorted[place - 1] as number
      return Math.min(
        this.#max,
        (this.#histogram?.getValueAtPercentile((place / counted) * 100) ?? NaN) / PER_MS,
      )
    }
    return {
      samples,
      failed: this.#failed,
      min: counted === 0 ? NaN : this.#min,
      mean: counted === 0 ? NaN : this.#sum / counted,
      p50: at(0.5),
      p90: at(0.9),
      p95: at(0.95),
      p99: samples < FEWEST_FOR_P99 ? undefined : at(0.99),
      p999: samples < FEWEST_FOR_P999 ? undefined : at(0.999),
      max: samples === 0 ? NaN : this.#failed > 0 ? Infinity : this.#max,
      curve: curve(samples, at),
      tenths: { p50: this.#ofTenths(0.5), p90: this.#ofTenths(0.9) },
    }
  }

  #ofTenths(share: number): number[] {
    const tenths = this.#tenths.filter((tenth) => tenth.length > 0)
    return tenths.map((tenth) => rank(Float64Array.from(tenth).toSorted(), share))
  }

  #count(ms: number): void {
    this.#histogram ??= build({
      bitBucketSize: 32,
      lowestDiscernibleValue: 1,
      highestTrackableValue: LONGEST_US,
      numberOfSignificantValueDigits: 3,
      useWebAssembly: false,
    })
    this.#histogram.recordValue(Math.min(LONGEST_US, Math.max(0, Math.round(ms * PER_MS))))
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
