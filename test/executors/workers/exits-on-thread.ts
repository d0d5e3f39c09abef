import { isMainThread } from 'node:worker_threads'
import { producer, type EventStream, type PortableProducer } from '../../../src/index.ts'

export const exitsAtImport: PortableProducer = producer(import.meta.url, async (stream: EventStream) => {
  stream.send('never')
})

// eslint-disable-next-line unicorn/no-process-exit
if (!isMainThread) process.exit(5)
