import { producer, type EventStream, type PortableProducer } from '../../../src/index.ts'
import { Flag, raise, untilRaised, type Flags } from '../../../src/testing/flags.ts'

/** Sends its last event when it is told to, and says so when that was sent. */
export const sendsOnGo: PortableProducer<{ flags: Flags; ends: boolean }> = producer(
  import.meta.url,
  async (stream: EventStream, { flags, ends }: { flags: Flags; ends: boolean }) => {
    stream.send('first')
    raise(flags, Flag.STARTED)
    await untilRaised(flags, Flag.GO)
    stream.send('last')
    raise(flags, Flag.SEEN)
    if (ends) return
    await new Promise((resolve) => stream.signal.addEventListener('abort', resolve))
  },
  { name: 'sendsOnGo' },
)
