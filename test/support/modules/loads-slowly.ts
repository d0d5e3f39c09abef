/** Takes its time to load where threads load it, as a module that connects to something. */
import { producer, type EventStream, type PortableProducer } from '../../../src/index.ts'
import { onTheTestThread } from '../on-the-test-thread.ts'

if (!onTheTestThread) await new Promise((resolve) => setTimeout(resolve, 500))

export const loadsSlowly: PortableProducer = producer(
  import.meta.url,
  async (stream: EventStream) => void stream.send('loaded'),
)
