/** The module of a producer in which a server is made, as any that was not started as the entry of its process. */
import Fastify from 'fastify'
import headfirst, { producer, type EventStream, type PortableProducer } from '../../../src/index.ts'
import { onTheTestThread } from '../on-the-test-thread.ts'

export const awaited: PortableProducer = producer(import.meta.url, async (stream: EventStream) => {
  stream.send('never on a thread')
})

if (!onTheTestThread) await Fastify().register(headfirst)
