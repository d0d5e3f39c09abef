import { producer, SharedEvent, type EventInput, type PortableProducer } from '../../src/index.ts'

const EVENTS: readonly EventInput[] = [
  'text',
  'two\nlines',
  { event: 'é', id: 7, retry: 5, data: { of: ['json', 1, null] } },
  { id: 'a' },
  ...Array.from({ length: 20 }, (_, n) => ({ id: n, data: 'x'.repeat(n * 500) })),
]

/** All events, each as it is. */
export const single: PortableProducer = producer(
  import.meta.url,
  async (stream) => {
    for (const event of EVENTS) stream.send(event)
  },
  { name: 'single' },
)

const SHARED = EVENTS.map((event) => new SharedEvent(event))

/** The same events, made before any stream. */
export const sharing: PortableProducer = producer(
  import.meta.url,
  async (stream) => {
    for (const event of SHARED) stream.send(event)
  },
  { name: 'sharing' },
)
