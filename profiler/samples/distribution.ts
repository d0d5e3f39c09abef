import {
  build,
  decodeFromCompressedBase64,
  encodeIntoCompressedBase64,
  type Histogram,
  type JsHistogram,
} from 'hdr-histogram-js'

/** The histogram counts whole microseconds, up to an hour. */
const PER_MS = 1_000
const LONGEST_US = 3_600_000_000

/** A distribution as plain data, to cross between processes. */
export interface RecordedDistribution {
  /** Undefined where there were too many. */
  raw: Float64Array | undefined
  /** An HDR histogram, compressed, in base64; undefined where there are the samples themselves. */
  histogram: string | undefined
  failed: number
  sum: number
  min: number
  max: number
}

/**
 * Samples in ms: raw as long as they are few, in an HDR histogram (3 significant digits) from then on. A failed stream
 * is a sample too, Infinity: slower than every other.
 *
 * Which of both it is depends on nothing but how many have not failed, so that parts that are put together tell the
 * same as if all had been added to one.
 */
export class Distribution {
  failed = 0
  /** Of those that have not failed, as `min` and `max`. */
  sum = 0
  min: number = Infinity
  max: number = -Infinity
  readonly #mostRaw: number
  #raw: number[] | undefined = []
  #histogram: Histogram | undefined

  /** @param mostRaw above so many a histogram takes over, which needs no more memory */
  constructor(mostRaw: number) {
    this.#mostRaw = mostRaw
  }

  /** Those that have not failed. */
  get counted(): number {
    return this.#raw?.length ?? this.#histogram?.totalCount ?? 0
  }

  get samples(): number {
    return this.counted + this.failed
  }

  add(ms: number): void {
    if (ms === Infinity) {
      this.failed++
      return
    }
    this.sum += ms
    if (ms < this.min) this.min = ms
    if (ms > this.max) this.max = ms
    this.#put(ms)
  }

  /** Adds all samples of another. */
  include(other: Distribution): void {
    this.#include(other, other.#raw ?? [], other.#histogram)
  }

  includeRecorded(recorded: RecordedDistribution): void {
    const { raw, histogram } = recorded
    const decoded = histogram === undefined ? undefined : decodeFromCompressedBase64(histogram)
    this.#include(recorded, raw ?? [], decoded)
  }

  recorded(): RecordedDistribution {
    const { failed, sum, min, max } = this
    const raw = this.#raw === undefined ? undefined : Float64Array.from(this.#raw)
    const histogram = this.#histogram === undefined ? undefined : encodeIntoCompressedBase64(this.#histogram)
    return { raw, histogram, failed, sum, min, max }
  }

  /** As an HDR histogram, compressed, in base64: however few there are. Those that have failed are not in it. */
  encoded(): string {
    const histogram = this.#histogram ?? emptyHistogram()
    if (this.#raw !== undefined) recordAll(histogram, this.#raw)
    return encodeIntoCompressedBase64(histogram)
  }

  /** @returns answers the percentile, by rank, of a share from 0 to 1; of no samples NaN */
  percentiles(): (share: number) => number {
    const { counted, samples, max } = this
    const sorted = this.#raw === undefined ? undefined : Float64Array.from(this.#raw).toSorted()
    return (share) => {
      if (samples === 0) return NaN
      const place = Math.max(1, Math.ceil(share * samples - 1e-9))
      if (place > counted) return Infinity
      if (sorted !== undefined) return sorted[place - 1] as number
      return Math.min(max, (this.#histogram?.getValueAtPercentile((place / counted) * 100) ?? NaN) / PER_MS)
    }
  }

  #include(
    { failed, sum, min, max }: Pick<Distribution, 'failed' | 'sum' | 'min' | 'max'>,
    raw: Iterable<number>,
    histogram: Histogram | undefined,
  ): void {
    this.failed += failed
    this.sum += sum
    this.min = Math.min(this.min, min)
    this.max = Math.max(this.max, max)
    for (const ms of raw) this.#put(ms)
    if (histogram !== undefined) this.#counts().add(histogram)
  }

  #put(ms: number): void {
    if (this.#raw !== undefined && this.#raw.length < this.#mostRaw) this.#raw.push(ms)
    else this.#counts().recordValue(microseconds(ms))
  }

  /** The histogram, which holds whatever was raw. */
  #counts(): Histogram {
    this.#histogram ??= emptyHistogram()
    recordAll(this.#histogram, this.#raw ?? [])
    this.#raw = undefined
    return this.#histogram
  }
}

/**
 * How many samples of each value a histogram has that {@link Distribution.encoded} has made.
 *
 * @returns by ms, ascending
 */
export function decodedCounts(encoded: string): Map<number, number> {
  const { recordedValuesIterator: values } = decodeFromCompressedBase64(encoded) as JsHistogram
  const counts = new Map<number, number>()
  values.reset()
  while (values.hasNext()) {
    const { valueIteratedTo, countAtValueIteratedTo } = values.next()
    counts.set(valueIteratedTo / PER_MS, countAtValueIteratedTo)
  }
  return counts
}

function emptyHistogram(): Histogram {
  return build({
    bitBucketSize: 32,
    lowestDiscernibleValue: 1,
    highestTrackableValue: LONGEST_US,
    numberOfSignificantValueDigits: 3,
    useWebAssembly: false,
  })
}

function recordAll(histogram: Histogram, samples: readonly number[]): void {
  for (const ms of samples) histogram.recordValue(microseconds(ms))
}

function microseconds(ms: number): number {
  return Math.min(LONGEST_US, Math.max(0, Math.round(ms * PER_MS)))
}
