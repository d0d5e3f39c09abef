/** Producers that keep to time limits, and some that do not. */
import { setTimeout as pass } from 'node:timers/promises'
import { producer, type EventStream, type PortableProducer, type StreamClosedError } from '../../src/index.ts'
import { Flag, raise, type Flags } from '../../src/testing/flags.ts'
import type { Flagged } from '../support/producers/flagged.ts'

/** Raises SEEN when the stream is closed by a time limit. */
function watch({ signal }: EventStream, flags: Flags): void {
  const onAbort = (): void => {
    if ((signal.reason as StreamClosedError).reason === 'timeout') raise(flags, Flag.SEEN)
  }
  // On a busy machine a thread may come to this after the limit has struck.
  if (signal.aborted) onAbort()
  else signal.addEventListener('abort', onAbort)
  raise(flags, Flag.STARTED)
}

async function untilGo({ signal }: EventStream, flags: Flags, each: () => void): Promise<void> {
  while (Atomics.load(flags, Flag.GO) === 0 && !signal.aborted) {
    each()
    await pass(10)
  }
}

/** Sends nothing. */
export const silent: PortableProducer<Flagged> = producer(
  import.meta.url,
  (stream: EventStream, { flags }: Flagged) => watch(stream, flags),
  { name: 'silent' },
)

/** Sends one event, and then nothing. */
export const once: PortableProducer<Flagged> = producer(
  import.meta.url,
  (stream: EventStream, { flags }: Flagged) => {
    stream.send('up')
    watch(stream, flags)
  },
  { name: 'once' },
)

/** Sends one event, and then comments. */
export const comments: PortableProducer<Flagged> = producer(
  import.meta.url,
  async (stream: EventStream, { flags }: Flagged) => {
    stream.send('up')
    watch(stream, flags)
    await untilGo(stream, flags, () => stream.comment('here'))
  },
  { name: 'comments' },
)

/** Sends nothing until it may go on; then it sends one event and ends. */
export const late: PortableProducer<Flagged> = producer(
  import.meta.url,
  async (stream: EventStream, { flags }: Flagged) => {
    watch(stream, flags)
    await untilGo(stream, flags, () => {})
    stream.send('late')
  },
  { name: 'late' },
)

/** Sends an event every few ms until it is told to end. */
export const ticks: PortableProducer<Flagged> = producer(
  import.meta.url,
  async (stream: EventStream, { flags }: Flagged) => {
    watch(stream, flags)
    await untilGo(stream, flags, () => stream.send('tick'))
    stream.send('done')
  },
  { name: 'ticks' },
)

export interface Flood extends Flagged {
  bytes: number
  ends: boolean
}

/** Sends more than a client takes that does not read, and ends or stays. */
export const floods: PortableProducer<Flood> = producer(
  import.meta.url,
  async (stream: EventStream, { flags, bytes, ends }: Flood) => {
    const data = 'x'.repeat(65_536)
    for (let sent = 0; sent < bytes; sent += data.length) stream.send(data)
    watch(stream, flags)
    if (!ends) await untilGo(stream, flags, () => {})
  },
  { name: 'floods' },
)

export const throws: PortableProducer<Flagged> = producer(
  import.meta.url,
  async (stream: EventStream, { flags }: Flagged) => {
    watch(stream, flags)
    throw new Error('on purpose')
  },
  { name: 'throws' },
)
