/** Producers that wait in place, on a thread of their own. */
import { producer, type EventStream, type PortableProducer } from '../../../src/index.ts'
import { Flag, raise, type Flags } from '../../../src/testing/flags.ts'

interface Input {
  flags: Flags
  count: number
  size: number
}

/** Never asks whether the client keeps up. */
export const blocked: PortableProducer<Input> = producer(
  import.meta.url,
  async (stream: EventStream, { flags, count, size }: Input) => {
    for (let id = 0; id < count && !stream.closed; id++) {
      stream.send({ id, data: 'x'.repeat(size) })
      if (id === 0) raise(flags, Flag.STARTED)
    }
    raise(flags, Flag.FINALLY)
  },
  { name: 'blocked' },
)

export const waitingInPlace: PortableProducer<Input> = producer(
  import.meta.url,
  async (stream: EventStream, { flags, count, size }: Input) => {
    for (let id = 0; id < count; id++) {
      if (stream.send({ id, data: 'x'.repeat(size) })) continue
      raise(flags, Flag.SEEN)
      // For ever would do; a time that is over answers false while the stream is open.
      while (!stream.readySync(1_000) && !stream.closed);
      if (stream.closed) break
    }
    raise(flags, Flag.FINALLY)
  },
  { name: 'waitingInPlace' },
)

/** Shares its thread: it awaits when the client is behind. */
export const asking: PortableProducer<Input> = producer(
  import.meta.url,
  async (stream: EventStream, { flags, count, size }: Input) => {
    for (let id = 0; id < count; id++) {
      if (stream.send({ id, data: 'x'.repeat(size) })) continue
      raise(flags, Flag.SEEN)
      if (!(await stream.ready())) return
    }
  },
  { name: 'asking' },
)

/** Asks with times that are none, and tells what comes of it. */
export const waitsWrongly: PortableProducer = producer(
  import.meta.url,
  async (stream: EventStream) => {
    for (const timeoutMs of [Number.NaN, -1, '5', null]) {
      try {
        stream.readySync(timeoutMs as number)
      } catch (error) {
        stream.send(`${String(timeoutMs)}: ${(error as Error).message}`)
      }
    }
    stream.send(`0: ${stream.readySync(0)}`)
  },
  { name: 'waitsWrongly' },
)
