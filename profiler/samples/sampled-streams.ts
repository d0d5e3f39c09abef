import type { Sampled } from '../plan.ts'

/** Streams that are watched closely, spread over the run; and the slowest beside them. */
const WATCHED = 12
const SLOWEST = 4

/** As plain data. */
export interface RecordedStreams {
  watched: Sampled[]
  slowest: Sampled[]
}

/** Some of a run's streams, to be shown one by one. */
export class SampledStreams {
  readonly #every: number
  readonly #watched: Sampled[] = []
  /** The least slow first. */
  readonly #slowest: Sampled[] = []

  /** @param expected arrivals of the whole run, as far as they are known beforehand */
  constructor(expected: number) {
    this.#every = Math.max(1, Math.floor(expected / WATCHED))
  }

  /** @param arrival its place in the schedule */
  isWatched(arrival: number): boolean {
    return arrival % this.#every === 0
  }

  add(stream: Sampled, isWatched: boolean): void {
    if (isWatched && this.#watched.length < WATCHED) {
      this.#watched.push(stream)
      return
    }
    if (this.#slowest.length < SLOWEST) this.#slowest.push(stream)
    else if (slowness(stream) > slowness(this.#slowest[0] as Sampled)) this.#slowest[0] = stream
    else return
    this.#slowest.sort((one, other) => slowness(one) - slowness(other))
  }

  /** Adds what each process has recorded, of all that are watched the first. */
  include(recorded: readonly RecordedStreams[]): void {
    for (const stream of recorded.flatMap(({ watched }) => watched).toSorted(byTime)) this.add(stream, true)
    for (const stream of recorded.flatMap(({ slowest }) => slowest)) this.add(stream, false)
  }

  recorded(): RecordedStreams {
    return { watched: this.#watched, slowest: this.#slowest }
  }

  /** In the order in which they were to begin. */
  all(): Sampled[] {
    return [...this.#watched, ...this.#slowest].toSorted(byTime)
  }
}

function slowness({ firstEventMs }: Sampled): number {
  return firstEventMs ?? Infinity
}

function byTime(one: Sampled, other: Sampled): number {
  return one.atMs - other.atMs
}
