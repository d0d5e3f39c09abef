import { producer, type EventStream, type PortableProducer } from '../../../src/index.ts'
import { onTheTestThread } from '../on-the-test-thread.ts'

export const exitsAtImport: PortableProducer = producer(import.meta.url, async (stream: EventStream) => {
  stream.send('never')
})

// eslint-disable-next-line unicorn/no-process-exit
if (!onTheTestThread) process.exit(5)
