/** Producers of the fuzz tests, for any executor. */
import { producer, type EventStream, type PortableProducer } from '../../src/index.ts'
import { anyAttempt, send } from './events-attempt.ts'
import { diceOf } from '../support/random.ts'

interface Drawn {
  seed: number
  count: number
}

/** Sends back what its client had last, wherever an event may hold it, and ends. */
export const echoing: PortableProducer = producer(
  import.meta.url,
  async (stream: EventStream) => {
    const { lastEventId = '' } = stream
    stream.comment(lastEventId)
    stream.send({ event: lastEventId, id: lastEventId, data: lastEventId })
    stream.send('echoed')
  },
  { name: 'echoing' },
)

/** Logs fields that a logger has serializers for, and that these do not take. */
export const logging: PortableProducer = producer(
  import.meta.url,
  async (stream: EventStream) => {
    stream.send('0')
    stream.log.error({ req: null }, 'said with req')
    stream.log.error({ res: null })
    stream.send('1')
  },
  { name: 'logging' },
)

/** Sends an event, and waits for its client to leave. */
export const waiting: PortableProducer = producer(
  import.meta.url,
  async (stream: EventStream) => {
    stream.send('waiting')
    await new Promise((resolve) => stream.signal.addEventListener('abort', resolve))
  },
  { name: 'waiting' },
)

/** Sends events of every shape, and tries what is none. */
export const manyAttempts: PortableProducer<Drawn> = producer(
  import.meta.url,
  async (stream: EventStream, { seed, count }: Drawn) => {
    const random = diceOf(0, seed)
    for (let n = 0; n < count; n++) send(stream, anyAttempt(random))
  },
  { name: 'manyAttempts' },
)
