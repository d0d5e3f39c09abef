import { producer, type EventStream, type PortableProducer } from '../../src/index.ts'

/** Sends back what its client had last, wherever an event may hold it, and ends. */
export const echoing: PortableProducer = producer(
  import.meta.url,
  async (stream: EventStream) => {
    const { lastEventId = '' } = stream
    stream.comment(lastEventId)
    stream.send({ event: lastEventId, id: lastEventId, data: lastEventId })
    stream.send('echoed')
  },
  { name: 'echoing' },
)
