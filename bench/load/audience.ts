/** Clients whose streams are kept open, for as long as they are measured. */
import type { Stream } from '../../profiler/client/stream.ts'
import { nowMs } from '../../profiler/clock.ts'
import { outcomeOf, type Outcome } from './outcome.ts'
import { TargetStreams } from './target-streams.ts'
import type { Target } from './target.ts'

/** What came on all of them in a while. */
export interface Heard {
  events: number
  /** From when each event was due until its receipt; empty where none is stamped. */
  latenciesMs: Float64Array
}

/** What had come in all when the last was over. */
export interface Total {
  streams: number
  outcomes: Partial<Record<Outcome, number>>
  events: number
  bytes: number
  /** Streams with an event whose number did not follow the one before. */
  holes: number
}

/** Clients of one address: a few less than it has ports for them. */
const OF_ONE_ADDRESS = 20_000
/** Addresses of one generator: more clients than a process may have files. */
const ADDRESSES = 4

/** What is waited for in a stream whose head has not come. */
interface Opening {
  resolve: () => void
  reject: (error: Error) => void
}

export class Audience {
  readonly #target: Target
  readonly #firstAddress: number
  /** By address, from the first one on. */
  readonly #streams: TargetStreams[] = []
  readonly #clients: Stream[] = []
  readonly #open = new Set<Stream>()
  readonly #opening = new Map<Stream, Opening>()
  #latenciesMs: number[] = []
  #heardBefore = 0
  #onOver: (() => void) | undefined

  /** @param place of its generator, from 0: each has addresses of its own */
  constructor(target: Target, place: number) {
    this.#target = target
    this.#firstAddress = place * ADDRESSES
  }

  get size(): number {
    return this.#open.size
  }

  /**
   * One more, with its head received.
   *
   * @throws when its stream is over before
   */
  async open(): Promise<void> {
    const streams = this.#streamsOfNext()
    await new Promise<void>((resolve, reject) => {
      const stream = streams.begin(nowMs())
      this.#clients.push(stream)
      this.#open.add(stream)
      this.#opening.set(stream, { resolve, reject })
    })
  }

  #streamsOfNext(): TargetStreams {
    const index = Math.floor(this.#clients.length / OF_ONE_ADDRESS)
    const address = this.#firstAddress + index
    return (this.#streams[index] ??= new TargetStreams(
      address === 0 ? this.#target : { ...this.#target, localAddress: `127.0.0.${1 + address}` },
      {
        heard: (stream) => {
          this.#opening.get(stream)?.resolve()
          this.#opening.delete(stream)
        },
        settled: (stream) => this.#leaves(stream),
        stamped: (latencyMs) => this.#latenciesMs.push(latencyMs),
      },
    ))
  }

  #leaves(stream: Stream): void {
    this.#open.delete(stream)
    if (this.#open.size === 0) this.#onOver?.()
    const outcome = this.#outcomeOf(stream)
    this.#opening.get(stream)?.reject(new Error(`A stream that was to stay open is over: ${outcome}`))
    this.#opening.delete(stream)
  }

  heard(): Heard {
    const events = this.#events()
    const since = events - this.#heardBefore
    this.#heardBefore = events
    const latenciesMs = Float64Array.from(this.#latenciesMs)
    this.#latenciesMs = []
    return { events: since, latenciesMs }
  }

  async over(): Promise<Total> {
    if (this.#open.size > 0) await new Promise<void>((resolve) => (this.#onOver = resolve))
    const outcomes: Total['outcomes'] = {}
    for (const stream of this.#clients) {
      const outcome = this.#outcomeOf(stream)
      outcomes[outcome] = (outcomes[outcome] ?? 0) + 1
    }
    return {
      streams: this.#clients.length,
      outcomes,
      events: this.#events(),
      bytes: this.#clients.reduce((total, { body }) => total + body.bytes, 0),
      holes: this.#clients.filter(({ body }) => body.inSequence === false).length,
    }
  }

  leave(): void {
    for (const stream of this.#open) stream.settle('timeout')
  }

  #outcomeOf(stream: Stream): Outcome {
    return outcomeOf(stream, this.#target.events)
  }

  #events(): number {
    return this.#clients.reduce((total, { events }) => total + events, 0)
  }
}
