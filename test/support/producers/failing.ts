/** Producers that throw, when they have sent their numbers. */
import { producer, type EventStream, type PortableProducer } from '../../../src/index.ts'
import { sendNumbers, type Counted } from './flagged.ts'

export const throws: PortableProducer<Counted> = producer(
  import.meta.url,
  async (stream: EventStream, input: Counted) => {
    sendNumbers(stream, input)
    throw Object.assign(new Error('broken', { cause: new RangeError('deep') }), { code: 'E_BROKEN' })
  },
  { name: 'throws' },
)

/** Throws an error that is larger than the whole ring. */
export const throwsMuch: PortableProducer<Counted> = producer(
  import.meta.url,
  async (stream: EventStream, input: Counted) => {
    sendNumbers(stream, input)
    const fields = Array.from({ length: 400 }, (_, n) => [`field${n}`, '\u0001'.repeat(8_000)] as const)
    throw Object.assign(new Error('much'), Object.fromEntries(fields))
  },
  { name: 'throwsMuch' },
)

/** Throws an error that cannot be read. */
export const throwsUnreadable: PortableProducer<Counted> = producer(
  import.meta.url,
  async (stream: EventStream, input: Counted) => {
    sendNumbers(stream, input)
    throw Object.defineProperty(new Error('hidden'), 'message', {
      get() {
        throw new Error('not to be read')
      },
    })
  },
  { name: 'throwsUnreadable' },
)
