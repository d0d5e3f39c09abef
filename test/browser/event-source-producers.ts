import { producer, type EventStream, type PortableProducer } from '../../src/index.ts'

/** The first time it sends an id and ends; who comes back is told which id it has brought, and stays. */
export const resuming: PortableProducer<string> = producer(
  import.meta.url,
  (stream: EventStream, id: string) => {
    if (stream.lastEventId === undefined) {
      stream.send({ id, retry: 1, data: 'first' })
      stream.close()
    } else {
      stream.send({ event: 'back', data: { lastEventId: stream.lastEventId } })
    }
  },
  { name: 'resuming' },
)
