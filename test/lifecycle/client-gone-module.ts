/** A producer whose module loads for as long as the test wants, on the server's thread. */
import { producer, type EventStream, type PortableProducer } from '../../src/index.ts'

const { gate } = globalThis as { gate?: { opened: Promise<void>; reached: () => void } }
gate?.reached()
await gate?.opened

export const late: PortableProducer = producer(import.meta.url, async (stream: EventStream) => {
  stream.send('late')
})
