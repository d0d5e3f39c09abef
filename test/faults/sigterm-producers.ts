/** Producers of a server that is told to stop while everything is open. */
import { setTimeout as later } from 'node:timers/promises'
import { producer, type EventStream, type PortableProducer } from '../../src/index.ts'

/** Sends a number in each turn, for as long as it may, also when it is told to stop. */
export const ticks: PortableProducer = producer(
  import.meta.url,
  async (stream: EventStream) => {
    for (let n = 0; !stream.closed; n++) {
      stream.send({ id: n, data: `number ${n}\nof many` })
      await later(3)
    }
  },
  { name: 'ticks' },
)

/** One event that is larger than what two kernels take on their own. */
export const large: PortableProducer<{ bytes: number }> = producer(
  import.meta.url,
  async (stream: EventStream, { bytes }: { bytes: number }) => {
    stream.send({ id: 0, data: 'x'.repeat(bytes) })
    await new Promise((resolve) => stream.signal.addEventListener('abort', resolve))
  },
  { name: 'large' },
)
