import { setImmediate as turn } from 'node:timers/promises'
import { producer, type EventStream, type PortableProducer } from '../../src/index.ts'
import { Flag, type Flags } from '../../src/testing/flags.ts'

export const EVENT_BYTES = 65_536

/** Sends large events without ever asking whether the client is behind, until it may end. */
export const pours: PortableProducer<{ flags: Flags }> = producer(
  import.meta.url,
  async (stream: EventStream, { flags }: { flags: Flags }) => {
    let n = 0
    while (Atomics.load(flags, Flag.GO) === 0 && !stream.closed) {
      stream.send({ id: n++, data: 'x'.repeat(EVENT_BYTES) })
      await turn()
    }
    stream.send({ id: n, event: 'last', data: String(n) })
  },
  { name: 'pours' },
)

/** Sends small events, one in each turn, so many as it is told to. */
export const flows: PortableProducer<{ events: number }> = producer(
  import.meta.url,
  async (stream: EventStream, { events }: { events: number }) => {
    for (let n = 0; n < events; n++) {
      stream.send({ id: n, data: 'drop' })
      await turn()
    }
  },
  { name: 'flows' },
)
