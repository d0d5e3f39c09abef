import { producer, type EventStream, type PortableProducer } from '../../../src/index.ts'
import { blockUntil, Flag, raise, type Flags } from '../../../src/testing/flags.ts'

/** Tells what its stream knows of its request. */
export const tells: PortableProducer<{ of: string }> = producer(
  import.meta.url,
  async (stream: EventStream, input: { of: string }) => {
    const { context, lastEventId } = stream
    stream.send({ data: { input, context, lastEventId, frozen: Object.isFrozen(context) } })
    stream.log.debug('not for this log')
    stream.log.warn('for this log')
  },
  { name: 'tells', serializer: (data) => `told: ${JSON.stringify(data)}` },
)

/** Sends more than the high-water mark, and an event more when its client has caught up. */
export const waits: PortableProducer = producer(
  import.meta.url,
  async (stream: EventStream) => {
    stream.send('x'.repeat(200))
    stream.send(String(await stream.ready()))
  },
  { name: 'waits' },
)

/**
 * Ends as soon as it sees that its stream is closed, before any message can tell it; what it leaves behind listens.
 */
export const seesFirst: PortableProducer<{ flags: Flags; throws: boolean }> = producer(
  import.meta.url,
  async (stream: EventStream, { flags, throws }: { flags: Flags; throws: boolean }) => {
    const { signal } = stream
    signal.addEventListener('abort', () => {
      raise(flags, (signal.reason as { reason?: string }).reason === 'shutdown' ? Flag.SEEN : Flag.OVER)
    })
    raise(flags, Flag.STARTED)
    blockUntil(flags, Flag.GO)
    if (throws) throw new Error('it threw')
  },
  { name: 'seesFirst' },
)
