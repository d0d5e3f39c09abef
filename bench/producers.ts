/**
 * The producers under test, portable so that every executor can run them.
 *
 * Each event's data begins with its number in its stream, from 0, by which the client sees a gap.
 */
import { producer, type EventStream, type PortableProducer } from 'headfirst'
import { burn } from './burn.ts'
import { nowMs } from './clock.ts'

/** One event, then blocking work, then another event: what a computation with a progress bar looks like. */
export const block: PortableProducer<{ steps: number }> = producer(
  import.meta.url,
  async (stream: EventStream, { steps }: { steps: number }) => {
    stream.send('0 begins')
    stream.send(`1 ${burn(steps)}`)
  },
  { name: 'block' },
)

/** One event and the end: what a stream costs that does not block. */
export const single: PortableProducer = producer(
  import.meta.url,
  async (stream: EventStream) => {
    stream.send('0 only')
  },
  { name: 'single' },
)

/** Bytes of an event on the wire, before HTTP's own framing, where nothing else is said. */
export const EVENT_BYTES = 58
/** `data: ` and two line ends. */
const FRAME_BYTES = 8
const FILLER = '.'.repeat(65_536)

export interface BurstPlan {
  events: number
  /** Whether the data is a string, or an object that has to be serialized. */
  data: 'string' | 'object'
  /** Of each event on the wire: 58 to 65,536. */
  eventBytes: number
}

/** Events of one length, as fast as the client takes them. */
export const burst: PortableProducer<BurstPlan> = producer(
  import.meta.url,
  async (stream: EventStream, { events, data, eventBytes }: BurstPlan) => {
    const room = eventBytes - FRAME_BYTES - (data === 'object' ? '{"n":,"text":""}'.length : ' '.length)
    // Numbers get longer and fillers shorter, and to make a filler should cost next to nothing.
    let filler = ''
    let longer = 0
    for (let number = 0; number < events; number++) {
      if (number === longer) {
        filler = FILLER.slice(0, room - String(number).length)
        longer = longer === 0 ? 10 : longer * 10
      }
      const taken = stream.send(
        data === 'object' ? { data: { n: number, text: filler } } : `${number} ${filler}`,
      )
      if (!taken && !(await stream.ready())) return
    }
  },
  { name: 'burst' },
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
