/** Producers that behave as producers should not, and some that do. They tell in flags what they see. */
import { getPriority } from 'node:os'
import { setTimeout as turn } from 'node:timers/promises'
import { parentPort, threadId } from 'node:worker_threads'
import { producer, type EventStream, type PortableProducer } from '../../../src/index.ts'
import { LOG_LEVELS } from '../../../src/sse/stream.ts'
import { blockUntil, Flag, raise, until, type Flags } from '../../../src/testing/flags.ts'

// Of the contract: what each executor promises of generators is tried on a thread too.
export { endless, endlessAsync } from '../../../src/testing/producers.ts'

export interface Flagged {
  flags: Flags
}

interface Signature {
  order: Int32Array
  number: number
}

export interface Counted {
  /** How many are sent. */
  events: number
  /** Of each, at least. */
  bytes?: number
}

function send(stream: EventStream, { events, bytes = 0 }: Counted): void {
  for (let n = 0; n < events; n++) stream.send(bytes === 0 ? String(n) : `${n} ${'x'.repeat(bytes)}`)
}

/** Sends numbers, and ends. */
export const count: PortableProducer<Counted> = producer(
  import.meta.url,
  async (stream: EventStream, input: Counted) => send(stream, input),
  { name: 'count' },
)

/** Blocks its thread until it may go on, whether its client is there or not. */
export const blocks: PortableProducer<Flagged> = producer(
  import.meta.url,
  async (stream: EventStream, { flags }: Flagged) => {
    stream.send('up')
    raise(flags, Flag.STARTED)
    blockUntil(flags, Flag.GO)
    stream.send('down')
  },
  { name: 'blocks' },
)

/** Waits in place until it may go on, sends all at once, and tells when all has been taken. */
export const bursts: PortableProducer<Counted & Flagged> = producer(
  import.meta.url,
  async (stream: EventStream, { flags, ...counted }: Counted & Flagged) => {
    raise(flags, Flag.STARTED)
    blockUntil(flags, Flag.GO)
    send(stream, counted)
    raise(flags, Flag.SEEN)
    await new Promise((resolve) => stream.signal.addEventListener('abort', resolve))
  },
  { name: 'bursts' },
)

/** Signs in a list: its first word counts the signatures. */
export const signs: PortableProducer<Signature> = producer(
  import.meta.url,
  async (_stream: EventStream, { order, number }: Signature) => {
    order[Atomics.add(order, 0, 1) + 1] = number
  },
  { name: 'signs' },
)

/** Sends a number in each turn of its thread's loop until it may end. */
export const ticks: PortableProducer<Flagged> = producer(
  import.meta.url,
  async (stream: EventStream, { flags }: Flagged) => {
    raise(flags, Flag.STARTED)
    for (let n = 0; Atomics.load(flags, Flag.GO) === 0 && !stream.closed; n++) {
      stream.send(String(n))
      await stream.ready()
      await turn(1)
    }
    stream.send('done')
  },
  { name: 'ticks' },
)

/** Returns, and leaves its stream open. */
export const stays: PortableProducer<Flagged> = producer(
  import.meta.url,
  (stream: EventStream, { flags }: Flagged) => {
    stream.send('up')
    raise(flags, Flag.STARTED)
  },
  { name: 'stays' },
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

export const tellsPriority: PortableProducer = producer(
  import.meta.url,
  async (stream: EventStream) => void stream.send(String(getPriority())),
  { name: 'tellsPriority' },
)

/** Never yields, and looks whether it is still wanted. */
export const loops: PortableProducer<Flagged> = producer(
  import.meta.url,
  async (stream: EventStream, { flags }: Flagged) => {
    stream.send('up')
    raise(flags, Flag.STARTED)
    while (!stream.closed);
    raise(flags, Flag.SEEN)
    // Too late, and without harm.
    if (stream.send('late')) raise(flags, Flag.SEEN)
  },
  { name: 'loops' },
)

/** Never yields, and never looks. */
export const neverStops: PortableProducer<Flagged> = producer(
  import.meta.url,
  async (stream: EventStream, { flags }: Flagged) => {
    stream.send('up')
    raise(flags, Flag.STARTED)
    for (;;);
  },
  { name: 'neverStops' },
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

/** Resolves at once, and leaves behind a timer that looks at its stream when told to. */
export const leavesTimer: PortableProducer<Flagged> = producer(
  import.meta.url,
  async (stream: EventStream, { flags }: Flagged) => {
    stream.send('only')
    const later = async (): Promise<void> => {
      await until(() => Atomics.load(flags, Flag.GO) > 0, 'the test')
      if (stream.closed && !stream.send('stray') && !(await stream.ready())) raise(flags, Flag.SEEN)
      raise(flags, Flag.OVER)
    }
    void later()
  },
  { name: 'leavesTimer' },
)

/** Sends, and ends its thread in the same breath. */
export const exits: PortableProducer<Counted> = producer(
  import.meta.url,
  async (stream: EventStream, input: Counted) => {
    send(stream, input)
    // eslint-disable-next-line unicorn/no-process-exit
    process.exit(3)
  },
  { name: 'exits' },
)

/** Sends, closes its stream, and ends its thread in the same breath. */
export const closesAndExits: PortableProducer<Counted> = producer(
  import.meta.url,
  async (stream: EventStream, input: Counted) => {
    send(stream, input)
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
    send(stream, input)
    setTimeout(() => {
      throw new Error('stray exception')
    })
  },
  { name: 'throwsInTimer' },
)

export const rejectsInTimer: PortableProducer<Counted> = producer(
  import.meta.url,
  (stream: EventStream, input: Counted) => {
    send(stream, input)
    setTimeout(() => void Promise.reject(new Error('stray rejection')))
  },
  { name: 'rejectsInTimer' },
)

/** Needs more memory than it is allowed. */
export const overruns: PortableProducer<Counted> = producer(
  import.meta.url,
  async (stream: EventStream, input: Counted) => {
    send(stream, input)
    const kept: object[] = []
    for (;;) kept.push(Array.from({ length: 4_000 }).fill(kept.length))
  },
  { name: 'overruns' },
)

export const throws: PortableProducer<Counted> = producer(
  import.meta.url,
  async (stream: EventStream, input: Counted) => {
    send(stream, input)
    throw Object.assign(new Error('broken', { cause: new RangeError('deep') }), { code: 'E_BROKEN' })
  },
  { name: 'throws' },
)

/** Throws an error that is larger than the whole ring. */
export const throwsMuch: PortableProducer<Counted> = producer(
  import.meta.url,
  async (stream: EventStream, input: Counted) => {
    send(stream, input)
    const fields = Array.from({ length: 400 }, (_, n) => [`field${n}`, '\u0001'.repeat(8_000)] as const)
    throw Object.assign(new Error('much'), Object.fromEntries(fields))
  },
  { name: 'throwsMuch' },
)

/** Throws an error that cannot be read. */
export const throwsUnreadable: PortableProducer<Counted> = producer(
  import.meta.url,
  async (stream: EventStream, input: Counted) => {
    send(stream, input)
    throw Object.defineProperty(new Error('hidden'), 'message', {
      get() {
        throw new Error('not to be read')
      },
    })
  },
  { name: 'throwsUnreadable' },
)

interface Corruption extends Counted, Flagged {
  exits: boolean
}

/** Overwrites the frames of its thread's ring when it is told to, and perhaps ends its thread at once. */
export const corrupts: PortableProducer<Corruption> = producer(
  import.meta.url,
  async (stream: EventStream, input: Corruption) => {
    send(stream, input)
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

/** Logs a line of each level. */
export const logsAll: PortableProducer = producer(
  import.meta.url,
  async (stream: EventStream) => {
    for (const [urgency, level] of LOG_LEVELS.entries()) stream.log[level]({ urgency }, 'from the producer')
    stream.send('logged')
  },
  { name: 'logsAll' },
)

/** Sends messages to a parent that does not expect them. */
export const postsMessages: PortableProducer<Counted> = producer(
  import.meta.url,
  async (stream: EventStream, input: Counted) => {
    for (const message of [null, 'text', {}, { threadId: 1 }, { threadId: 1, ring: {}, port: {} }]) {
      parentPort?.postMessage(message, [])
    }
    await turn(1)
    send(stream, input)
  },
  { name: 'postsMessages' },
)
