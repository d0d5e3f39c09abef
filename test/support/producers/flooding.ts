/** Producers that send more than their client takes, or as fast as it takes it. */
import { setImmediate as nextTurn } from 'node:timers/promises'
import { producer, type EventStream, type PortableProducer } from '../../../src/index.ts'
import { Flag, raise, untilRaised } from '../../../src/testing/flags.ts'
import { MANY, watch, type Flagged, type Watched } from './flagged.ts'

/** Sends more than kernels take on their own, and ends. */
export const fills: PortableProducer<Flagged> = producer(
  import.meta.url,
  async (stream: EventStream, { flags }: Flagged) => {
    raise(flags, Flag.STARTED)
    for (let n = 0; n < MANY; n++) stream.send({ id: n, data: 'x'.repeat(65_536) })
    raise(flags, Flag.FINALLY)
  },
  { name: 'fills' },
)

/** Sends more than kernels take on their own, and waits. */
export const floods: PortableProducer<Flagged> = producer(
  import.meta.url,
  async (stream: EventStream, { flags }: Flagged) => {
    for (let n = 0; n < MANY; n++) {
      stream.send({ id: n, event: 'number', data: `${'x'.repeat(65_536)}\nof many` })
    }
    raise(flags, Flag.STARTED)
    await new Promise((resolve) => stream.signal.addEventListener('abort', resolve))
  },
  { name: 'floods' },
)

/** Sends on, whether its client reads or not, until it is stopped. */
export const overflows: PortableProducer<Watched> = producer(
  import.meta.url,
  async (stream: EventStream, input: Watched) => {
    watch(stream, input)
    raise(input.flags, Flag.STARTED)
    for (; !stream.closed; await nextTurn()) stream.send('x'.repeat(65_536))
    raise(input.flags, Flag.FINALLY)
  },
  { name: 'overflows' },
)

/** Sends for as long as its client is there, at the client's pace. */
export const awaitsReady: PortableProducer<Flagged> = producer(
  import.meta.url,
  async (stream: EventStream, { flags }: Flagged) => {
    do {
      while (stream.send('x'.repeat(10_000)));
      raise(flags, Flag.STARTED)
    } while (await stream.ready())
    raise(flags, Flag.FINALLY)
  },
  { name: 'awaitsReady' },
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
 * turns. Once it may go on, a last event as soon as the client has caught up.
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
      if (number % perTurn === 0) await nextTurn()
    }
    raise(flags, Flag.SEEN)
    await untilRaised(flags, Flag.GO)
    if (await stream.ready()) raise(flags, Flag.FINALLY)
    stream.send({ event: 'last', id: 'last', data: 'last' })
  },
  { name: 'flooding' },
)

/** Numbers at the pace of the client. */
export const pumping: PortableProducer<{ count: number; size: number }> = producer(
  import.meta.url,
  function* pumping(_stream: EventStream, { count, size }: { count: number; size: number }) {
    const padding = 'x'.repeat(size)
    for (let number = 0; number < count; number++) yield { event: 'same', data: `${number} ${padding}` }
  },
  { name: 'pumping' },
)
