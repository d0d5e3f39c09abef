/** Producers of bodies that are compressed. They tell in flags what they see. */
import { producer, type EventStream, type PortableProducer } from '../../src/index.ts'
import { Flag, raise, untilRaised } from '../../src/testing/flags.ts'
import type { Flagged } from '../support/producers/flagged.ts'

/** Sends each event when the client has got the one before it. */
export const acknowledged: PortableProducer<Flagged & { count: number }> = producer(
  import.meta.url,
  async (stream: EventStream, { flags, count }: Flagged & { count: number }) => {
    for (let number = 0; number < count; number++) {
      stream.send({ id: number, data: { number, text: 'größer 中 😀' } })
      await untilRaised(flags, Flag.EVENTS, number + 1)
    }
  },
  { name: 'acknowledged' },
)

/** Says nothing until it may, and then one word. */
export const silent: PortableProducer<Flagged> = producer(
  import.meta.url,
  async (stream: EventStream, { flags }: Flagged) => {
    raise(flags, Flag.STARTED)
    await untilRaised(flags, Flag.GO)
    stream.send('at last')
  },
  { name: 'silent' },
)

/** Throws, and has said nothing. */
export const failingAtOnce: PortableProducer = producer(
  import.meta.url,
  () => {
    throw new Error('secret')
  },
  { name: 'failingAtOnce' },
)
