/** Clients whose streams are kept open, for as long as somebody wants to look at them. */
import { nowMs } from '../../profiler/clock.ts'
import { StreamClient, type Outcome, type Target } from './stream-client.ts'

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

export class Audience {
  readonly #firstAddress: number
  readonly #clients: StreamClient[] = []
  readonly #open = new Set<StreamClient>()
  #heardBefore = 0
  #onOver: (() => void) | undefined

  /** @param place of its generator, from 0: each has addresses of its own */
  constructor(place: number) {
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
  async open(target: Target): Promise<void> {
    const address = this.#firstAddress + Math.floor(this.#clients.length / OF_ONE_ADDRESS)
    const from = address === 0 ? target : { ...target, localAddress: `127.0.0.${1 + address}` }
    await new Promise<void>((resolve, reject) => {
      const over = (one: StreamClient): void => {
        this.#open.delete(one)
        if (this.#open.size === 0) this.#onOver?.()
        reject(new Error(`A stream that was to stay open is over: ${one.outcome}`))
      }
      const client = new StreamClient(from, nowMs(), over, resolve)
      this.#clients.push(client)
      this.#open.add(client)
    })
  }

  heard(): Heard {
    const events = this.#events()
    const since = events - this.#heardBefore
    this.#heardBefore = events
    const latenciesMs = Float64Array.from(
      this.#clients.flatMap(({ parser }) => (parser.body.latenciesMs ?? []) as number[]),
    )
    for (const { parser } of this.#clients) parser.body.forgetTimes?.()
    return { events: since, latenciesMs }
  }

  async over(): Promise<Total> {
    if (this.#open.size > 0) await new Promise<void>((resolve) => (this.#onOver = resolve))
    const outcomes: Total['outcomes'] = {}
    for (const { outcome = 'timeout' } of this.#clients) outcomes[outcome] = (outcomes[outcome] ?? 0) + 1
    return {
      streams: this.#clients.length,
      outcomes,
      events: this.#events(),
      bytes: this.#clients.reduce((total, { parser }) => total + parser.body.bytes, 0),
      holes: this.#clients.filter(({ parser }) => !parser.body.inSequence).length,
    }
  }

  leave(): void {
    for (const client of this.#open) client.settle('timeout')
  }

  #events(): number {
    return this.#clients.reduce((total, { parser }) => total + parser.body.events, 0)
  }
}
