/** Producers at the far end of a link, in the thread of the test. */
import { producer, type EventStream, type PortableProducer } from '../../../src/index.ts'

/** Sends at the pace of the client for as long as it is there. */
export const endless: PortableProducer = producer(
  import.meta.url,
  function* endless() {
    for (;;) yield 'x'.repeat(90)
  },
  { name: 'endless' },
)

/** Sends everything in one turn, whatever the client takes. */
export const bursting: PortableProducer<{ count: number }> = producer(
  import.meta.url,
  async (stream: EventStream, { count }: { count: number }) => {
    for (let n = 0; n < count; n++) stream.send({ data: n })
  },
  { name: 'bursting' },
)

export const sending: PortableProducer = producer(
  import.meta.url,
  async (stream: EventStream) => {
    stream.send('one')
  },
  { name: 'sending' },
)

export const silent: PortableProducer = producer(import.meta.url, async () => {}, { name: 'silent' })

export const throwing: PortableProducer = producer(
  import.meta.url,
  async () => {
    throw new Error('meant')
  },
  { name: 'throwing' },
)
