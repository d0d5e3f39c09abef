/**
 * The producers under test, portable so that every executor can run them.
 *
 * Each event's data begins with its number in its stream, from 0, by which the client sees a gap.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { producer, type EventStream, type PortableProducer } from 'headfirst'
import { burn } from './burn.ts'
import { nowMs } from './clock.ts'
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

/** The same, but waiting for a timer: its thread can do what it likes. */
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

/** Those who are to hear of something that does not happen. */
const subscribers = new Set<EventStream>()

/** Subscribes, and returns: its stream stays open until somebody closes it. */
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

/** Tells when it was started, on a clock that all threads share. */
export const stamp: PortableProducer = producer(
  import.meta.url,
  async (stream: EventStream) => {
    stream.send(String(nowMs()))
  },
  { name: 'stamp' },
)
