/** Portable producers for the browser: each runs on every executor. */
import { producer, type EventInput, type EventStream, type PortableProducer } from '../../src/index.ts'

/** Sends these, and ends. */
export const sending: PortableProducer<readonly EventInput[]> = producer(
  import.meta.url,
  async (stream: EventStream, events: readonly EventInput[]) => {
    for (const event of events) stream.send(event)
  },
  { name: 'sending' },
)

/** Sends these, and stays until the client leaves. */
export const staying: PortableProducer<readonly EventInput[]> = producer(
  import.meta.url,
  (stream: EventStream, events: readonly EventInput[]) => {
    for (const event of events) stream.send(event)
  },
  { name: 'staying' },
)

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
