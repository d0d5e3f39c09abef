/** Portable producers that return at once, and leave their streams open, or do not. */
import { producer, type EventStream, type PortableProducer } from '../../src/index.ts'
import type { Flagged } from '../support/producers/flagged.ts'

export const leaves: PortableProducer<Flagged> = producer(
  import.meta.url,
  (stream: EventStream, _input: Flagged) => void stream.send('left'),
  { name: 'leaves' },
)

export const listens: PortableProducer<Flagged> = producer(
  import.meta.url,
  (stream: EventStream, _input: Flagged) => {
    const timer = setInterval(() => stream.send('sent'), 1)
    stream.signal.addEventListener('abort', () => clearInterval(timer))
  },
  { name: 'listens' },
)

export const closes: PortableProducer<Flagged> = producer(
  import.meta.url,
  (stream: EventStream, _input: Flagged) => {
    stream.send('sent')
    stream.close()
  },
  { name: 'closes' },
)

export const ends: PortableProducer<Flagged> = producer(
  import.meta.url,
  async (stream: EventStream, _input: Flagged) => void stream.send('sent'),
  { name: 'ends' },
)
