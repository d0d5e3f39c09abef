/** The module of a producer in which a server is made, and not awaited. */
import Fastify from 'fastify'
import headfirst, { producer, type EventStream, type PortableProducer } from '../../../src/index.ts'
import { onTheTestThread } from '../on-the-test-thread.ts'

export const unawaited: PortableProducer = producer(import.meta.url, async (stream: EventStream) => {
  stream.send('never on a thread')
})

if (!onTheTestThread) {
  const app = Fastify()
  void app.register(headfirst)
  app.listen({ port: 0 }, () => {})
}
