import { producer, type EventStream, type PortableProducer } from '../../src/index.ts'
import { blockUntil, Flag, raise } from '../../src/testing/flags.ts'
import type { Flagged } from '../support/producers/flagged.ts'

/** Waits in place for what `overflow: 'block'` and `readySync()` wait for, until it may go on. */
export const blocking: PortableProducer<Flagged & { count: number; size: number }> = producer(
  import.meta.url,
  async (stream: EventStream, { flags, count, size }: Flagged & { count: number; size: number }) => {
    raise(flags, Flag.STARTED)
    blockUntil(flags, Flag.HEAD)
    for (let number = 0; number < count; number++) {
      stream.send(`${number} ${'x'.repeat(size)}`)
      raise(flags, Flag.SEEN)
    }
  },
  { name: 'blocking' },
)
