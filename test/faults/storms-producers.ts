import { setTimeout as later } from 'node:timers/promises'
import { producer, type EventStream, type PortableProducer } from '../../src/index.ts'

export const EVENTS = 12

/** Sends its events one after the other, each in a turn of its own. */
export const trickles: PortableProducer = producer(
  import.meta.url,
  async (stream: EventStream) => {
    for (let n = 0; n < EVENTS && !stream.closed; n++) {
      stream.send({ id: n, data: 'x'.repeat(40) })
      await later(1)
    }
  },
  { name: 'trickles' },
)
