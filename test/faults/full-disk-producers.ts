/** Producers that write to the server's log while they send, for a log that cannot be written. */
import { producer, type EventStream, type PortableProducer } from '../../src/index.ts'
import { Flag, raise } from '../../src/testing/flags.ts'
import type { Flagged } from '../support/producers/flagged.ts'

/** Logs before each of its events, and ends. */
export const logs: PortableProducer = producer(
  import.meta.url,
  async (stream: EventStream) => {
    for (let n = 0; n < 20; n++) {
      stream.log.warn({ n }, 'a line')
      stream.log.error(new Error('a line'))
      stream.send(String(n))
      await stream.ready()
    }
  },
  { name: 'logs' },
)

/** Stays until it may go on, whether its client is there or not, and then throws. */
export const outlives: PortableProducer<Flagged> = producer(
  import.meta.url,
  async (stream: EventStream, { flags }: Flagged) => {
    stream.send('up')
    raise(flags, Flag.STARTED)
    while (Atomics.load(flags, Flag.GO) === 0) await new Promise((resolve) => setTimeout(resolve, 1))
    raise(flags, Flag.FINALLY)
    throw new Error('too late')
  },
  { name: 'outlives' },
)
