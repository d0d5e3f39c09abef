import { producer, type EventStream, type PortableProducer } from '../../../src/index.ts'
import { Flag, raise, untilRaised, type Flags } from '../../../src/testing/flags.ts'

/** Sends its last event when it is told to, and says when that was sent; or, if it ends, when its end was sent too. */
export const sendsOnGo: PortableProducer<{ flags: Flags; ends: boolean }> = producer(
  import.meta.url,
  async (stream: EventStream, { flags, ends }: { flags: Flags; ends: boolean }) => {
    stream.send('first')
    raise(flags, Flag.STARTED)
    await untilRaised(flags, Flag.GO)
    stream.send('last')
    if (ends) {
      // An immediate comes after all that follows from the return.
      setImmediate(() => raise(flags, Flag.SEEN))
      return
    }
    raise(flags, Flag.SEEN)
    await new Promise((resolve) => stream.signal.addEventListener('abort', resolve))
  },
  { name: 'sendsOnGo' },
)
