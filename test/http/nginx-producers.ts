import { producer, type EventStream, type PortableProducer } from '../../src/index.ts'
import { Flag, untilRaised, type Flags } from '../../src/testing/flags.ts'

/** Sends each event only when the client has got the one before it, and the first when it has the head. */
export const acknowledged: PortableProducer<{ flags: Flags; count: number }> = producer(
  import.meta.url,
  async (stream: EventStream, { flags, count }: { flags: Flags; count: number }) => {
    await untilRaised(flags, Flag.HEAD)
    for (let n = 0; n < count; n++) {
      stream.send({ id: n, data: 'x'.repeat(n) })
      await untilRaised(flags, Flag.EVENTS, n + 1)
    }
  },
  { name: 'acknowledged' },
)
