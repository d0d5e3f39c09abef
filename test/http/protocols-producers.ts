import { producer, type EventStream, type PortableProducer } from '../../src/index.ts'
import { blockUntil, Flag, type Flags } from '../../src/testing/flags.ts'

/** Blocks its thread until the client has the head. */
export const headSeen: PortableProducer<{ flags: Flags }> = producer(
  import.meta.url,
  async (stream: EventStream, { flags }: { flags: Flags }) => {
    stream.send(blockUntil(flags, Flag.HEAD) ? 'head seen' : 'head not seen')
  },
  { name: 'headSeen' },
)
