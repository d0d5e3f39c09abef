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

/** `data: `, the data, and two line ends: 58 bytes on the wire, before HTTP's own framing. */
const BURST_DATA_LENGTH = 50

/** Events of 58 bytes, as fast as the client takes them. */
export const burst: PortableProducer<{ events: number }> = producer(
  import.meta.url,
  async (stream: EventStream, { events }: { events: number }) => {
    for (let number = 0; number < events; number++) {
      const taken = stream.send(`${number} `.padEnd(BURST_DATA_LENGTH, '.'))
      if (!taken && !(await stream.ready())) return
    }
  },
  { name: 'burst' },
)

/** Tells when it was started, on a clock that all threads share. */
export const stamp: PortableProducer = producer(
  import.meta.url,
  async (stream: EventStream) => {
    stream.send(String(nowMs()))
  },
  { name: 'stamp' },
)
