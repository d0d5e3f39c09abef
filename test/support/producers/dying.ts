/** Producers that take their thread with them. */
import { producer, type EventStream, type PortableProducer } from '../../../src/index.ts'
import { blockUntil, Flag, raise } from '../../../src/testing/flags.ts'
import { onTheTestThread } from '../on-the-test-thread.ts'
import { sendNumbers, type Counted, type Flagged } from './flagged.ts'

/** Sends, and ends its thread in the same breath. */
export const exits: PortableProducer<Counted> = producer(
  import.meta.url,
  async (stream: EventStream, input: Counted) => {
    sendNumbers(stream, input)
    if (onTheTestThread) throw new Error('this would end the test')
    // eslint-disable-next-line unicorn/no-process-exit
    process.exit(3)
  },
  { name: 'exits' },
)

/** Sends, closes its stream, and ends its thread in the same breath. */
export const closesAndExits: PortableProducer<Counted> = producer(
  import.meta.url,
  async (stream: EventStream, input: Counted) => {
    sendNumbers(stream, input)
    stream.close()
    // eslint-disable-next-line unicorn/no-process-exit
    process.exit(3)
  },
  { name: 'closesAndExits' },
)

/** Waits with all others that share its flags, and ends its thread. */
export const exitsTogether: PortableProducer<Flagged> = producer(
  import.meta.url,
  async (stream: EventStream, { flags }: Flagged) => {
    stream.send('up')
    raise(flags, Flag.STARTED)
    blockUntil(flags, Flag.GO)
    // eslint-disable-next-line unicorn/no-process-exit
    process.exit(4)
  },
  { name: 'exitsTogether' },
)

export const throwsInTimer: PortableProducer<Counted> = producer(
  import.meta.url,
  (stream: EventStream, input: Counted) => {
    sendNumbers(stream, input)
    setTimeout(() => {
      throw new Error('stray exception')
    })
  },
  { name: 'throwsInTimer' },
)

export const rejectsInTimer: PortableProducer<Counted> = producer(
  import.meta.url,
  (stream: EventStream, input: Counted) => {
    sendNumbers(stream, input)
    setTimeout(() => void Promise.reject(new Error('stray rejection')))
  },
  { name: 'rejectsInTimer' },
)

/** Needs more memory than it is allowed. */
export const overruns: PortableProducer<Counted> = producer(
  import.meta.url,
  async (stream: EventStream, input: Counted) => {
    sendNumbers(stream, input)
    const kept: object[] = []
    for (;;) kept.push(Array.from({ length: 4_000 }).fill(kept.length))
  },
  { name: 'overruns' },
)

interface Corruption extends Counted, Flagged {
  exits: boolean
}

/** Overwrites the frames of its thread's ring once it may go on, and perhaps ends its thread at once. */
export const corrupts: PortableProducer<Corruption> = producer(
  import.meta.url,
  async (stream: EventStream, input: Corruption) => {
    sendNumbers(stream, input)
    blockUntil(input.flags, Flag.GO)
    const { store } = Atomics
    // Whoever stores next in an array of a ring's size shows where the ring is.
    const spy = (words: Int32Array, index: number, value: number): number => {
      if (words.length > 200_000 && index === 0) words.fill(0x7fff_fff0, 64)
      return store(words, index, value)
    }
    Object.assign(Atomics, { store: spy })
    stream.send('not to be seen')
    Object.assign(Atomics, { store })
    // eslint-disable-next-line unicorn/no-process-exit
    if (input.exits) process.exit(6)
    await new Promise(() => {})
  },
  { name: 'corrupts' },
)
