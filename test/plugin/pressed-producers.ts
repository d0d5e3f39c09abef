/** Portable producers of the tests of compression and overflow. They tell in flags what they see. */
import { producer, type EventStream, type PortableProducer } from '../../src/index.ts'
import { blockUntil, Flag, raise, untilRaised, type Flags } from '../../src/testing/flags.ts'

interface Flagged {
  flags: Flags
}

/** Sends each event when the client has got the one before it. */
export const acknowledged: PortableProducer<Flagged & { count: number }> = producer(
  import.meta.url,
  async (stream: EventStream, { flags, count }: Flagged & { count: number }) => {
    for (let number = 0; number < count; number++) {
      stream.send({ id: number, data: { number, text: 'größer 中 😀' } })
      await untilRaised(flags, Flag.EVENTS, number + 1)
    }
  },
  { name: 'acknowledged' },
)

/** Says nothing until it may, and then one word. */
export const silent: PortableProducer<Flagged> = producer(
  import.meta.url,
  async (stream: EventStream, { flags }: Flagged) => {
    raise(flags, Flag.STARTED)
    await untilRaised(flags, Flag.GO)
    stream.send('at last')
  },
  { name: 'silent' },
)

/** Sends numbers, and stays. */
export const staying: PortableProducer<Flagged & { count: number }> = producer(
  import.meta.url,
  (stream: EventStream, { flags, count }: Flagged & { count: number }) => {
    for (let number = 0; number < count; number++) stream.send(`${number}`)
    raise(flags, Flag.STARTED)
  },
  { name: 'staying' },
)

/** Sends numbers, and throws. */
export const failing: PortableProducer<{ count: number }> = producer(
  import.meta.url,
  async (stream: EventStream, { count }: { count: number }) => {
    for (let number = 0; number < count; number++) stream.send(`${number}`)
    throw new Error('secret')
  },
  { name: 'failing' },
)

/** Throws, and has said nothing. */
export const failingAtOnce: PortableProducer = producer(
  import.meta.url,
  () => {
    throw new Error('secret')
  },
  { name: 'failingAtOnce' },
)

/** Sends numbers, and ends its thread in the same breath. */
export const dying: PortableProducer<{ count: number }> = producer(
  import.meta.url,
  async (stream: EventStream, { count }: { count: number }) => {
    for (let number = 0; number < count; number++) stream.send(`${number}`)
    // eslint-disable-next-line unicorn/no-process-exit
    process.exit(3)
  },
  { name: 'dying' },
)

/** Sends events of this many bytes, which hardly compress. */
export const large: PortableProducer<{ sizes: number[] }> = producer(
  import.meta.url,
  async (stream: EventStream, { sizes }: { sizes: number[] }) => {
    for (const [index, size] of sizes.entries()) {
      stream.send(noise(size, index))
      await stream.ready()
    }
  },
  { name: 'large' },
)

/** Text that hardly compresses, the same for the same seed. */
export function noise(length: number, seed: number): string {
  const bytes = Buffer.alloc(Math.ceil((length * 3) / 4))
  for (let at = 0, state = (seed * 2_654_435_761) | 1; at < bytes.length; at++) {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    bytes[at] = state >>> 8
  }
  return bytes.toString('base64').slice(0, length)
}

export interface Flood extends Flagged {
  /** Events. */
  count: number
  /** Names and ids that go round. */
  names: number
  /** Of each event, in bytes. They hardly compress. */
  size: number
}

/**
 * Sends more than the client takes, never asking whether it keeps up, in bursts between which its thread's loop
 * turns. When told to go on, a last event as soon as the client has caught up.
 */
export const flooding: PortableProducer<Flood> = producer(
  import.meta.url,
  async (stream: EventStream, { flags, count, names, size }: Flood) => {
    // Longer than any compressor looks back.
    const padding = noise(2 ** 21, 1)
    const perTurn = Math.ceil(65_536 / size)
    for (let number = 0; number < count && !stream.closed; number++) {
      const from = (number * 1_000_003) % (padding.length - size)
      const data = `${number} ${padding.slice(from, from + size)}`
      stream.send({ event: `n${number % names}`, id: `i${number % names}`, data })
      if (number % perTurn === 0) await turn()
    }
    raise(flags, Flag.SEEN)
    await untilRaised(flags, Flag.GO)
    if (await stream.ready()) raise(flags, Flag.FINALLY)
    stream.send({ event: 'last', id: 'last', data: 'last' })
  },
  { name: 'flooding' },
)

const turn = async (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

/** Numbers at the pace of the client. */
export const pumping: PortableProducer<{ count: number; size: number }> = producer(
  import.meta.url,
  function* pumping(_stream: EventStream, { count, size }: { count: number; size: number }) {
    const padding = 'x'.repeat(size)
    for (let number = 0; number < count; number++) yield { event: 'same', data: `${number} ${padding}` }
  },
  { name: 'pumping' },
)

/** Waits in place for what `overflow: 'block'` and `readySync()` wait for, until it may go on. */
export const blocking: PortableProducer<Flagged & { count: number; size: number }> = producer(
  import.meta.url,
  async (stream: EventStream, { flags, count, size }: Flagged & { count: number; size: number }) => {
    raise(flags, Flag.STARTED)
    blockUntil(flags, Flag.HEAD)
    for (let number = 0; number < count; number++) {
      stream.send(`${number} ${'x'.repeat(size)}`)
      raise(flags, Flag.SEEN)
    }
  },
  { name: 'blocking' },
)
