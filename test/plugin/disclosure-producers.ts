/** Producers that threads cannot be given, or that fail, beside one that they can. */
import { producer, type EventStream, type PortableProducer } from '../../src/index.ts'

/** Tells its input, and whether code from elsewhere has run on its thread. */
export const named: PortableProducer<unknown> = producer(
  import.meta.url,
  async (stream: EventStream, input: unknown) => {
    stream.send({ data: { input, stolen: 'stolen' in globalThis } })
  },
  { name: 'named' },
)

export const nameless: PortableProducer = producer(import.meta.url, async () => {})
