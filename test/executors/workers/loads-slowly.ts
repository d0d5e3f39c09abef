/** Takes its time to load where threads load it, as a module that connects to something. */
import { isMainThread } from 'node:worker_threads'
import { producer, type EventStream, type PortableProducer } from '../../../src/index.ts'

if (!isMainThread) await new Promise((resolve) => setTimeout(resolve, 500))

export const loadsSlowly: PortableProducer = producer(
  import.meta.url,
  async (stream: EventStream) => void stream.send('loaded'),
)
