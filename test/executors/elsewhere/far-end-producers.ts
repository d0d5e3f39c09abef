/** Producers at the far end of a link, in the thread of the test. */
import { producer, type EventStream, type PortableProducer } from '../../../src/index.ts'

/** Sends at the pace of the client for as long as it is there. */
export const endless: PortableProducer = producer(
  import.meta.url,
  function* endless() {
    for (;;) yield 'x'.repeat(90)
  },
  { name: 'endless' },
)

/** Sends much more than may wait for a client, at its pace. */
export const long: PortableProducer = producer(
  import.meta.url,
  function* long() {
    for (let n = 0; n < 2_000; n++) yield 'x'.repeat(90)
  },
  { name: 'long' },
)

/** Sends everything in one turn, whatever the client takes. */
export const bursting: PortableProducer<{ count: number }> = producer(
  import.meta.url,
  async (stream: EventStream, { count }: { count: number }) => {
    for (let n = 0; n < count; n++) stream.send({ data: n })
  },
  { name: 'bursting' },
)

export const sending: PortableProducer = producer(
  import.meta.url,
  async (stream: EventStream) => {
    stream.send('one')
  },
  { name: 'sending' },
)

export const silent: PortableProducer = producer(import.meta.url, async () => {}, { name: 'silent' })

export const throwing: PortableProducer = producer(
  import.meta.url,
  async () => {
    throw new Error('meant')
  },
  { name: 'throwing' },
)

/** What a producer of {@link observing} has seen, by its name. */
export const seen: Map<string, unknown[]> = new Map()

/** Returns at once, and notes what its stream is when it is closed. */
export const observing: PortableProducer<{ name: string }> = producer(
  import.meta.url,
  (stream: EventStream, { name }: { name: string }) => {
    const notes: unknown[] = []
    seen.set(name, notes)
    stream.signal.addEventListener('abort', () => {
      const { reason } = stream.signal.reason as { reason: string }
      notes.push(reason, stream.closed, stream.send('late'), stream.comment('late'))
      void stream.ready().then((isOpen) => notes.push(isOpen))
    })
    stream.send('here')
  },
  { name: 'observing' },
)

/** Returns at once without a look at its signal, and closes its stream later. */
export const closing: PortableProducer = producer(
  import.meta.url,
  (stream: EventStream) => {
    setImmediate(() => {
      stream.comment('almost')
      stream.send('last')
      stream.close()
      stream.close()
      stream.send('late')
    })
  },
  { name: 'closing' },
)

/** Sends more than waits for a client without a pause, and notes what it is answered. */
export const answered: PortableProducer<{ name: string }> = producer(
  import.meta.url,
  async (stream: EventStream, { name }: { name: string }) => {
    const notes: unknown[] = []
    seen.set(name, notes)
    notes.push(await stream.ready())
    // 100 bytes each, at a high-water mark of 1,000.
    for (let n = 0; n < 11; n++) notes.push(stream.send('x'.repeat(92)))
    notes.push('waits')
    notes.push(await stream.ready())
  },
  { name: 'answered' },
)

/** Ends when its signal has aborted, and notes the reason. */
export const awaiting: PortableProducer<{ name: string }> = producer(
  import.meta.url,
  async (stream: EventStream, { name }: { name: string }) => {
    stream.send('waits')
    await new Promise((resolve) => stream.signal.addEventListener('abort', resolve))
    seen.set(name, [(stream.signal.reason as { reason: string }).reason])
  },
  { name: 'awaiting' },
)

export const closingAtOnce: PortableProducer = producer(
  import.meta.url,
  (stream: EventStream) => stream.close(),
  { name: 'closingAtOnce' },
)

/** Is done before what it has left running sends, and notes what that is answered. */
export const leaving: PortableProducer<{ name: string }> = producer(
  import.meta.url,
  async (stream: EventStream, { name }: { name: string }) => {
    setImmediate(() => seen.set(name, [stream.closed, stream.send('late'), stream.comment('late')]))
  },
  { name: 'leaving' },
)
