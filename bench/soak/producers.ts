/** Producers of the soak that the bench has no use for. */
import { producer, type EventStream, type PortableProducer } from 'headfirst'

const CHUNK = 'x'.repeat(65_536)
const CHUNKS = 400

/** Sends more than any kernel takes, whatever it is answered, then waits until its stream is closed. */
export const flood: PortableProducer = producer(
  import.meta.url,
  async (stream: EventStream) => {
    for (let number = 0; number < CHUNKS && !stream.closed; number++) stream.send(`${number} ${CHUNK}`)
    if (stream.closed) return
    await new Promise((resolve) => stream.signal.addEventListener('abort', resolve))
  },
  { name: 'flood' },
)

/** Takes its thread with it, and all that runs there. */
export const exit: PortableProducer = producer(
  import.meta.url,
  () => {
    // eslint-disable-next-line unicorn/no-process-exit
    process.exit(1)
  },
  { name: 'exit' },
)
