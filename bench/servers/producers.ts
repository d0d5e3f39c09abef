/**
 * The producers under test, portable so that every executor can run them.
 *
 * Each event's data begins with its number in its stream, from 0, by which the client sees a gap.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { producer, SharedEvent, type EventStream, type PortableProducer } from 'headfirst'
import { nowMs } from '../../profiler/clock.ts'
import { burn } from './burn.ts'
import { EVENT_BYTES, FRAME_BYTES, payloads, type BurstPlan } from './payload.ts'

/** One event, then blocking work, then another event: what a computation with a progress bar looks like. */
export const block: PortableProducer<{ steps: number }> = producer(
  import.meta.url,
  async (stream: EventStream, { steps }: { steps: number }) => {
    stream.send('0 begins')
    stream.send(`1 ${burn(steps)}`)
  },
  { name: 'block' },
)

/** The same, but asleep: its thread can do nothing else, and takes no core. */
export const nap: PortableProducer<{ ms: number }> = producer(
  import.meta.url,
  async (stream: EventStream, { ms }: { ms: number }) => {
    stream.send('0 begins')
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms)
    stream.send('1 ends')
  },
  { name: 'nap' },
)

/** The same, but waiting for a timer: its thread can do other work. */
export const pause: PortableProducer<{ ms: number }> = producer(
  import.meta.url,
  async (stream: EventStream, { ms }: { ms: number }) => {
    stream.send('0 begins')
    await sleep(ms)
    stream.send('1 ends')
  },
  { name: 'pause' },
)

/** One event and the end: what a stream costs that does not block. */
export const single: PortableProducer = producer(
  import.meta.url,
  async (stream: EventStream) => {
    stream.send('0 only')
  },
  { name: 'single' },
)

/** Events of one length, as fast as the client takes them. */
export const burst: PortableProducer<BurstPlan> = producer(
  import.meta.url,
  async (stream: EventStream, plan: BurstPlan) => {
    const payload = payloads(plan)
    const { events, data } = plan
    for (let number = 0; number < events; number++) {
      const made = payload(number)
      const taken = stream.send(data === 'object' ? { data: made } : (made as string))
      if (!taken && !(await stream.ready())) return
    }
  },
  { name: 'burst' },
)

/** Streams that wait for something that does not happen. */
const subscribers = new Set<EventStream>()

/** Subscribes, and returns: its stream stays open until it is closed from outside. */
export const subscribe: PortableProducer = producer(
  import.meta.url,
  (stream: EventStream) => {
    subscribers.add(stream)
  },
  { name: 'subscribe' },
)

/** Waits for something that does not happen, as long as its client does. */
export const wait: PortableProducer = producer(
  import.meta.url,
  async ({ signal }: EventStream) => {
    await new Promise((resolve) => signal.addEventListener('abort', resolve))
  },
  { name: 'wait' },
)

export interface TickerPlan {
  events: number
  everyMs: number
}

/** Events of 58 bytes in a rhythm, each with the time when it was sent, on a clock that all threads share. */
export const ticker: PortableProducer<TickerPlan> = producer(
  import.meta.url,
  async (stream: EventStream, { events, everyMs }: TickerPlan) => {
    await new Promise<void>((resolve) => {
      let number = 0
      const timer = setInterval(() => {
        stream.send(`${number++} ${process.hrtime.bigint()} `.padEnd(EVENT_BYTES - FRAME_BYTES, '.'))
        if (number < events && !stream.closed) return
        clearInterval(timer)
        resolve()
      }, everyMs)
    })
  },
  { name: 'ticker' },
)

export interface HubPlan {
  /** Between two events of a stream. */
  everyMs: number
}

/** A word of shared memory: not 0 once all streams of all hubs are to end. */
export type Ending = Int32Array<SharedArrayBuffer>

const HUB_TURN_MS = 10

interface Subscriber {
  stream: EventStream
  /** Of its next event. */
  number: number
}

/**
 * One timer for all streams of a thread, as a program has it whose streams carry the same. They are spread over the time
 * between two events, so that none waits for all others. Events are stamped with the time at which they were due, and
 * none is left out where the thread is late.
 */
class Hub {
  readonly #turns: Set<Subscriber>[]
  readonly #beganNs = process.hrtime.bigint()
  #joined = 0
  #turn = 0

  constructor({ everyMs, ending }: HubPlan & { ending: Ending }) {
    this.#turns = Array.from({ length: Math.round(everyMs / HUB_TURN_MS) }, () => new Set())
    const timer = setInterval(() => {
      this.#send()
      if (Atomics.load(ending, 0) === 0) return
      clearInterval(timer)
      for (const turn of this.#turns) for (const { stream } of turn) stream.close()
    }, HUB_TURN_MS)
  }

  add(stream: EventStream): void {
    this.#turns[this.#joined++ % this.#turns.length]?.add({ stream, number: 0 })
  }

  #send(): void {
    for (;;) {
      const dueNs = this.#beganNs + BigInt(this.#turn * HUB_TURN_MS) * 1_000_000n
      if (dueNs > process.hrtime.bigint()) return
      const turn = this.#turns[this.#turn++ % this.#turns.length] as Set<Subscriber>
      for (const subscriber of turn) {
        const { stream } = subscriber
        if (stream.closed) turn.delete(subscriber)
        else stream.send(`${subscriber.number++} ${dueNs} `.padEnd(EVENT_BYTES - FRAME_BYTES, '.'))
      }
    }
  }
}

let theHub: Hub | undefined

/** Joins the one hub of its thread, and returns. */
export const hub: PortableProducer<HubPlan & { ending: Ending }> = producer(
  import.meta.url,
  (stream: EventStream, plan: HubPlan & { ending: Ending }) => {
    theHub ??= new Hub(plan)
    theHub.add(stream)
  },
  { name: 'hub' },
)

export interface FanPlan {
  /** So many streams have to be there before the first event. */
  streams: number
  events: number
  /** Between two events. */
  everyMs: number
  /** Whether all streams send one `SharedEvent`. */
  share: boolean
}

const fanned = new Set<EventStream>()

/** Joins the streams of its thread, which all send the same events at the same time. */
export const fan: PortableProducer<FanPlan> = producer(
  import.meta.url,
  (stream: EventStream, { streams, events, everyMs, share }: FanPlan) => {
    fanned.add(stream)
    if (fanned.size < streams) return
    let number = 0
    const timer = setInterval(() => {
      const text = `${number++} ${process.hrtime.bigint()} `.padEnd(EVENT_BYTES - FRAME_BYTES, '.')
      const event = share ? new SharedEvent(text) : text
      for (const each of fanned) each.send(event)
      if (number < events) return
      clearInterval(timer)
      for (const each of fanned) each.close()
    }, everyMs)
  },
  { name: 'fan' },
)

/** Tells when it was started, on a clock that all threads share. */
export const stamp: PortableProducer = producer(
  import.meta.url,
  async (stream: EventStream) => {
    stream.send(String(nowMs()))
  },
  { name: 'stamp' },
)
