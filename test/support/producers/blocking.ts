/** Producers that block their thread, for a while or for good. */
import { producer, type EventStream, type PortableProducer } from '../../../src/index.ts'
import { blockUntil, Flag, raise } from '../../../src/testing/flags.ts'
import { sendNumbers, type Counted, type Flagged } from './flagged.ts'

/** Blocks its thread until it may go on, whether its client is there or not. */
export const blocks: PortableProducer<Flagged> = producer(
  import.meta.url,
  async (stream: EventStream, { flags }: Flagged) => {
    stream.send('up')
    raise(flags, Flag.STARTED)
    blockUntil(flags, Flag.GO)
    stream.send('down')
  },
  { name: 'blocks' },
)

/** Waits in place until it may go on, sends all at once, and raises SEEN when all has been taken. */
export const bursts: PortableProducer<Counted & Flagged> = producer(
  import.meta.url,
  async (stream: EventStream, { flags, ...counted }: Counted & Flagged) => {
    raise(flags, Flag.STARTED)
    blockUntil(flags, Flag.GO)
    sendNumbers(stream, counted)
    raise(flags, Flag.SEEN)
    await new Promise((resolve) => stream.signal.addEventListener('abort', resolve))
  },
  { name: 'bursts' },
)

/** Never yields, and looks whether it is still wanted. */
export const loops: PortableProducer<Flagged> = producer(
  import.meta.url,
  async (stream: EventStream, { flags }: Flagged) => {
    stream.send('up')
    raise(flags, Flag.STARTED)
    while (!stream.closed);
    raise(flags, Flag.SEEN)
    // Too late, and without harm.
    if (stream.send('late')) raise(flags, Flag.SEEN)
  },
  { name: 'loops' },
)

/** Never yields, and never looks. */
export const neverStops: PortableProducer<Flagged> = producer(
  import.meta.url,
  async (stream: EventStream, { flags }: Flagged) => {
    stream.send('up')
    raise(flags, Flag.STARTED)
    for (;;);
  },
  { name: 'neverStops' },
)
