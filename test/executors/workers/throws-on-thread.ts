import { isMainThread } from 'node:worker_threads'
import { producer, type EventStream, type PortableProducer } from '../../../src/index.ts'

export const throwsAtImport: PortableProducer = producer(import.meta.url, async (stream: EventStream) => {
  stream.send('never')
})

if (!isMainThread) throw new Error('no thread for me')
