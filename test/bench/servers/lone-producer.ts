import { producer, type EventStream, type PortableProducer } from 'headfirst'

const LIMIT = 3

export const counts: PortableProducer = producer(import.meta.url, (stream: EventStream) => {
  for (let number = 0; number < LIMIT; number++) stream.send(String(number))
  stream.close()
})
