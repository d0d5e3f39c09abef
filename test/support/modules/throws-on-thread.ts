import { producer, type EventStream, type PortableProducer } from '../../../src/index.ts'
import { onTheTestThread } from '../on-the-test-thread.ts'

export const throwsAtImport: PortableProducer = producer(import.meta.url, async (stream: EventStream) => {
  stream.send('never')
})

if (!onTheTestThread) throw new Error('no thread for me')
