import { producer, type EventStream, type PortableProducer } from '../../src/index.ts'
import { diceOf } from '../support/random.ts'
import { anyAttempt, send } from './events-attempt.ts'

interface Drawn {
  seed: number
  count: number
}

/** Sends events of every shape, and tries what is none. */
export const manyAttempts: PortableProducer<Drawn> = producer(
  import.meta.url,
  async (stream: EventStream, { seed, count }: Drawn) => {
    const random = diceOf(0, seed)
    for (let n = 0; n < count; n++) send(stream, anyAttempt(random))
  },
  { name: 'manyAttempts' },
)
