import { setTimeout as later } from 'node:timers/promises'
import { producer, type EventStream, type PortableProducer } from '../../src/index.ts'

/** Sends numbers, with pauses that are shorter than any limit of the test. Before each it asks for the date. */
export const steady: PortableProducer = producer(
  import.meta.url,
  async (stream: EventStream) => {
    let steps = 0
    for (let n = 0; n < 30; n++) {
      const before = Date.now()
      stream.send({ id: n, data: 'steady' })
      await later(20)
      if (Math.abs(Date.now() - before) > 60_000) steps++
    }
    stream.send({ event: 'steps', data: String(steps) })
  },
  { name: 'steady' },
)

/** Blocks its thread in place for a time that it measures itself: until its client has what it was sent, or not. */
export const waitsInPlace: PortableProducer = producer(
  import.meta.url,
  async (stream: EventStream) => {
    for (let n = 0; n < 40; n++) {
      stream.send({ id: n, data: 'x'.repeat(1_000) })
      if (!stream.readySync(5_000)) return
    }
  },
  { name: 'waitsInPlace' },
)
