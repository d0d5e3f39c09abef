/** Portable producers for the tests of a stream's life, to be run on every executor. They tell in flags what they see. */
import { setImmediate as nextTurn, setTimeout as later } from 'node:timers/promises'
import { producer, type EventStream, type PortableProducer } from '../../src/index.ts'
import { Flag, raise, type Flags } from '../../src/testing/flags.ts'
import { onTheTestThread } from '../support/on-the-test-thread.ts'

/** So many events of 64 KiB are more than two kernels take on their own. */
export const MANY = 240

export interface Flagged {
  flags: Flags
}

/** Why a stream's signal aborted, for a test on another thread. */
export interface Watched extends Flagged {
  reason: Uint8Array<SharedArrayBuffer>
}

export function makeReason(): Uint8Array<SharedArrayBuffer> {
  return new Uint8Array(new SharedArrayBuffer(16))
}

export function reasonIn(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString().replaceAll('\0', '')
}

/** Writes down why the signal aborts, once. */
function watch(stream: EventStream, { flags, reason }: Watched): void {
  const { signal } = stream
  signal.addEventListener('abort', () => {
    reason.set(Buffer.from((signal.reason as { reason: string }).reason))
    raise(flags, Flag.SEEN)
  })
}

/** Sends at once, as many events as it is told to, and ends. */
export const count: PortableProducer<{ events: number; bytes?: number }> = producer(
  import.meta.url,
  async (stream: EventStream, { events, bytes = 0 }: { events: number; bytes?: number }) => {
    for (let n = 0; n < events; n++) stream.send({ id: n, data: 'x'.repeat(bytes) })
  },
  { name: 'count' },
)

/** Yields for as long as it may, without ever waiting. */
export const generator: PortableProducer<Watched> = producer(
  import.meta.url,
  function* generator(stream: EventStream, input: Watched) {
    watch(stream, input)
    raise(input.flags, Flag.STARTED)
    try {
      for (let n = 0; ; n++) yield String(n)
    } finally {
      raise(input.flags, Flag.FINALLY)
    }
  },
  { name: 'generator' },
)

/** Yields once, then waits for its signal only. */
export const asyncGenerator: PortableProducer<Watched> = producer(
  import.meta.url,
  async function* asyncGenerator(stream: EventStream, input: Watched) {
    watch(stream, input)
    raise(input.flags, Flag.STARTED)
    try {
      yield '0'
      await new Promise((_, reject) =>
        stream.signal.addEventListener('abort', () => reject(stream.signal.reason as Error)),
      )
    } finally {
      raise(input.flags, Flag.FINALLY)
    }
  },
  { name: 'asyncGenerator' },
)

/** Sends once, and settles when it is cancelled. */
export const promise: PortableProducer<Watched> = producer(
  import.meta.url,
  async (stream: EventStream, input: Watched) => {
    watch(stream, input)
    raise(input.flags, Flag.STARTED)
    stream.send('0')
    await new Promise((resolve) => stream.signal.addEventListener('abort', resolve))
    raise(input.flags, Flag.FINALLY)
  },
  { name: 'promise' },
)

/** Sends once and returns; a timer goes on until it is cancelled. */
export const subscription: PortableProducer<Watched> = producer(
  import.meta.url,
  (stream: EventStream, input: Watched) => {
    watch(stream, input)
    raise(input.flags, Flag.STARTED)
    stream.send('0')
    const timer = setInterval(() => stream.send('more'), 1)
    stream.signal.addEventListener('abort', () => {
      clearInterval(timer)
      raise(input.flags, Flag.FINALLY)
    })
  },
  { name: 'subscription' },
)

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

/** Never stops by itself, whatever it is told, until the test lets it go. */
export const ignores: PortableProducer<Flagged> = producer(
  import.meta.url,
  async (stream: EventStream, { flags }: Flagged) => {
    raise(flags, Flag.STARTED)
    for (let n = 0; Atomics.load(flags, Flag.GO) === 0; n++) {
      stream.send({ id: n, event: 'number', data: `number ${n}\nof many` })
      await later(50)
    }
  },
  { name: 'ignores' },
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

/** Sends the Last-Event-ID that it was told. */
export const lastEventId: PortableProducer = producer(
  import.meta.url,
  async (stream: EventStream) => {
    stream.send({ data: JSON.stringify(stream.lastEventId ?? null) })
  },
  { name: 'lastEventId' },
)

/** Stays until its client leaves, and looks at its stream only. */
export const stays: PortableProducer<Flagged> = producer(
  import.meta.url,
  async (stream: EventStream, { flags }: Flagged) => {
    raise(flags, Flag.STARTED)
    stream.send('0')
    while (!stream.closed) await later(5)
  },
  { name: 'stays' },
)

/** Sends an event before and after a while. */
export const outlasts: PortableProducer<{ ms: number }> = producer(
  import.meta.url,
  async (stream: EventStream, { ms }: { ms: number }) => {
    stream.send('first')
    await later(ms)
    stream.send('last')
  },
  { name: 'outlasts' },
)

/** Waits for its signal, and takes some turns to clean up. */
export const cleansUp: PortableProducer<Flagged> = producer(
  import.meta.url,
  async function* cleansUp(stream: EventStream, { flags }: Flagged) {
    try {
      yield '0'
      raise(flags, Flag.STARTED)
      await later(2 ** 30, undefined, { signal: stream.signal })
    } finally {
      await later(10)
      raise(flags, Flag.FINALLY)
    }
  },
  { name: 'cleansUp' },
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

/** Ends its thread. */
export const dies: PortableProducer = producer(
  import.meta.url,
  async (stream: EventStream) => {
    stream.send('0')
    if (onTheTestThread) throw new Error('this would end the test')
    // eslint-disable-next-line unicorn/no-process-exit
    process.exit(1)
  },
  { name: 'dies' },
)
