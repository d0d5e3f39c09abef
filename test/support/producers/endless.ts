/** Producers that go on until they are stopped, or leave their stream open. */
import { setTimeout as later } from 'node:timers/promises'
import { threadId } from 'node:worker_threads'
import { producer, type EventStream, type PortableProducer, type EventInput } from '../../../src/index.ts'
import { Flag, raise, until } from '../../../src/testing/flags.ts'
import { watch, type Flagged, type Watched } from './flagged.ts'

const aborted = async ({ signal }: EventStream): Promise<void> =>
  new Promise((resolve) => signal.addEventListener('abort', () => resolve()))

/** Returns, and leaves its stream open. */
export const stays: PortableProducer<Flagged> = producer(
  import.meta.url,
  (stream: EventStream, { flags }: Flagged) => {
    stream.send('up')
    raise(flags, Flag.STARTED)
  },
  { name: 'stays' },
)

/** Sends these, returns, and leaves its stream open. */
export const staysWith: PortableProducer<readonly EventInput[]> = producer(
  import.meta.url,
  (stream: EventStream, events: readonly EventInput[]) => {
    for (const event of events) stream.send(event)
  },
  { name: 'staysWith' },
)

/** Tells which thread it is on, and leaves its stream open. */
export const staysIdle: PortableProducer = producer(
  import.meta.url,
  (stream: EventStream) => void stream.send(String(threadId)),
  { name: 'staysIdle' },
)

/** The same, and its thread has no idle moment meanwhile. */
export const staysBusy: PortableProducer = producer(
  import.meta.url,
  async (stream: EventStream) => {
    stream.send(String(threadId))
    while (!stream.closed) await new Promise((resolve) => setImmediate(resolve))
  },
  { name: 'staysBusy' },
)

/** Stays until its client leaves, and looks at its stream only. */
export const looksOn: PortableProducer<Flagged> = producer(
  import.meta.url,
  async (stream: EventStream, { flags }: Flagged) => {
    raise(flags, Flag.STARTED)
    stream.send('0')
    while (!stream.closed) await later(5)
  },
  { name: 'looksOn' },
)

/** Sends once, and waits until it is cancelled. */
export const waits: PortableProducer = producer(
  import.meta.url,
  async (stream: EventStream) => {
    stream.send('0')
    await aborted(stream)
  },
  { name: 'waits' },
)

/** Stays as long as it may, and sends nothing. */
export const silent: PortableProducer = producer(
  import.meta.url,
  async (stream: EventStream) => aborted(stream),
  {
    name: 'silent',
  },
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

/** Waits for its stream to be closed, and writes down why. */
export const listens: PortableProducer<Flagged & { reason: Uint8Array }> = producer(
  import.meta.url,
  async (stream: EventStream, { flags, reason }: Flagged & { reason: Uint8Array }) => {
    stream.send('up')
    await new Promise((resolve) => {
      stream.signal.addEventListener('abort', resolve)
      raise(flags, Flag.STARTED)
    })
    const error = stream.signal.reason as Error & { reason: string }
    reason.set(Buffer.from(`${error.name} ${error.reason}`))
    raise(flags, Flag.SEEN)
    stream.signal.throwIfAborted()
  },
  { name: 'listens' },
)

/** Sends a number in each turn of its thread's loop until it may end. */
export const ticks: PortableProducer<Flagged> = producer(
  import.meta.url,
  async (stream: EventStream, { flags }: Flagged) => {
    raise(flags, Flag.STARTED)
    for (let n = 0; Atomics.load(flags, Flag.GO) === 0 && !stream.closed; n++) {
      stream.send(String(n))
      await stream.ready()
      await later(1)
    }
    stream.send('done')
  },
  { name: 'ticks' },
)

/** Yields for as long as it may, without ever waiting. */
export const generator: PortableProducer<Flagged & Partial<Watched>> = producer(
  import.meta.url,
  function* generator(stream: EventStream, input: Flagged & Partial<Watched>) {
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

export const generatesAsync: PortableProducer<Flagged> = producer(
  import.meta.url,
  async function* generatesAsync(_stream: EventStream, { flags }: Flagged) {
    raise(flags, Flag.STARTED)
    try {
      for (let n = 0; ; n++) {
        yield String(n)
        await later(1)
      }
    } finally {
      raise(flags, Flag.FINALLY)
    }
  },
  { name: 'generatesAsync' },
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

/** Goes on, cancelled or not, until the test lets it go. */
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

/** Leaves its thread free, and is never done. */
export const neverEnds: PortableProducer = producer(
  import.meta.url,
  async (stream: EventStream) => {
    stream.send('up')
    await new Promise(() => {})
  },
  { name: 'neverEnds' },
)

/** Resolves at once, and leaves behind a timer that looks at its stream once the test lets it. */
export const leavesTimer: PortableProducer<Flagged> = producer(
  import.meta.url,
  async (stream: EventStream, { flags }: Flagged) => {
    stream.send('only')
    const look = async (): Promise<void> => {
      await until(() => Atomics.load(flags, Flag.GO) > 0, 'the test')
      if (stream.closed && !stream.send('stray') && !(await stream.ready())) raise(flags, Flag.SEEN)
      raise(flags, Flag.OVER)
    }
    void look()
  },
  { name: 'leavesTimer' },
)
