/** Whatever a stream may say that is no event, with events in between, for clients that know nothing of such. */
import { producer, type EventInput, type EventStream, type PortableProducer } from '../../src/index.ts'

/** What is sent, in order; a string is a comment. */
const SAID: readonly (string | { event: EventInput })[] = [
  'first',
  { event: { id: 1, data: 'one' } },
  '',
  'two\nlines',
  { event: { retry: 5 } },
  { event: { retry: 6, data: 'two' } },
  { event: { event: 'named', data: { n: 3 } } },
  'last',
]

/** What of it is an event with data. */
export const EVENTS: readonly { event: string; data: string }[] = [
  { event: '', data: 'one' },
  { event: '', data: 'two' },
  { event: 'named', data: '{"n":3}' },
]

/** Says all of it, and waits until its stream is closed. */
export const everyLine: PortableProducer = producer(import.meta.url, async (stream: EventStream) => {
  for (const said of SAID) {
    if (typeof said === 'string') stream.comment(said)
    else stream.send(said.event)
  }
  await new Promise((resolve) => stream.signal.addEventListener('abort', resolve))
})
