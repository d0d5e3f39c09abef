/** Portable producers of the contract suite. They raise flags for what they see, on whichever thread they run. */
import { AsyncLocalStorage } from 'node:async_hooks'
import { threadId } from 'node:worker_threads'
import { producer, type PortableProducer } from '../runtime/producer.ts'
import type { EventInput } from '../sse/event.ts'
import type { EventStream } from '../sse/stream.ts'
import { blockUntil, Flag, raise, type Flags } from './flags.ts'

export interface Input {
  flags: Flags
}

/** Blocks until the client has the head, then until it has each event that was sent. */
export const blocking: PortableProducer<Input> = producer(
  import.meta.url,
  async (stream: EventStream, { flags }: Input) => {
    stream.send(blockUntil(flags, Flag.HEAD) ? 'head seen' : 'head not seen')
    stream.send(blockUntil(flags, Flag.EVENTS, 1) ? 'first seen' : 'first not seen')
    stream.send(blockUntil(flags, Flag.EVENTS, 2) ? 'second seen' : 'second not seen')
  },
  { name: 'blocking' },
)

/** Events of all kinds: names, ids, many lines, all of Unicode, objects. */
export const varied: PortableProducer<{ count: number }> = producer(
  import.meta.url,
  async (stream: EventStream, { count }: { count: number }) => {
    for (let n = 0; n < count; n++) {
      stream.send(variedEvent(n))
      if (n % 50 === 0) stream.comment(`after ${n}`)
      if (n % 7 === 0) await Promise.resolve()
    }
  },
  { name: 'varied' },
)

export function variedEvent(n: number): EventInput {
  const text = String.fromCodePoint(0x61 + (n % 26), 0xe9, 0x4e2d, 0x1f600 + (n % 80))
  switch (n % 6) {
    case 0:
      return `${n} ${text}`
    case 1:
      return { data: `${text}\n${n}\r\n\r${text}`, id: n }
    case 2:
      return { event: `kind-${text}`, data: { n, text, list: [null, true, 1.5] } }
    case 3:
      return { data: '', id: '' }
    case 4:
      return { data: n, retry: n }
    default:
      return { data: text.repeat(n % 40), event: '' }
  }
}

export const numbers: PortableProducer<{ count: number }> = producer(
  import.meta.url,
  function* numbers(_stream: EventStream, { count }: { count: number }) {
    for (let n = 0; n < count; n++) yield { data: n }
  },
  { name: 'numbers' },
)

/** Yields for as long as the client is there. */
export const endless: PortableProducer<Input> = producer(
  import.meta.url,
  function* endless(_stream: EventStream, { flags }: Input) {
    raise(flags, Flag.STARTED)
    try {
      for (let n = 0; ; n++) yield String(n)
    } finally {
      raise(flags, Flag.FINALLY)
    }
  },
  { name: 'endless' },
)

export const endlessAsync: PortableProducer<Input> = producer(
  import.meta.url,
  async function* endlessAsync(_stream: EventStream, { flags }: Input) {
    raise(flags, Flag.STARTED)
    try {
      for (let n = 0; ; n++) {
        yield String(n)
        await new Promise((resolve) => setImmediate(resolve))
      }
    } finally {
      raise(flags, Flag.FINALLY)
    }
  },
  { name: 'endlessAsync' },
)

/** Sends until its stream is closed. Nothing of it needs memory that the server shares. */
export const untilClosed: PortableProducer = producer(
  import.meta.url,
  async (stream: EventStream) => {
    for (let n = 0; !stream.closed; n++) {
      stream.send(String(n))
      await stream.ready()
      await new Promise((resolve) => setImmediate(resolve))
    }
  },
  { name: 'untilClosed' },
)

/** Waits for the signal, and raises a flag if it has come with the expected reason. */
export const awaitingSignal: PortableProducer<Input & { reason: string }> = producer(
  import.meta.url,
  async (stream: EventStream, { flags, reason }: Input & { reason: string }) => {
    stream.send('waiting')
    raise(flags, Flag.STARTED)
    await new Promise((resolve) => stream.signal.addEventListener('abort', resolve))
    const told = stream.signal.reason as { name: string; reason: string }
    const dead = stream.closed && !stream.send('late') && !stream.comment('late') && !(await stream.ready())
    if (told.name === 'AbortError' && told.reason === reason && dead) raise(flags, Flag.SEEN)
  },
  { name: 'awaitingSignal' },
)

export const throwing: PortableProducer = producer(
  import.meta.url,
  async (stream: EventStream) => {
    stream.send('before')
    await Promise.resolve()
    throw Object.assign(new TypeError('secret'), { code: 'E_SECRET' })
  },
  { name: 'throwing' },
)

export const throwingAtOnce: PortableProducer = producer(
  import.meta.url,
  (stream: EventStream) => {
    stream.send('before')
    throw new TypeError('secret')
  },
  { name: 'throwingAtOnce' },
)

/** Sends what is no event, and after each the code of its refusal. */
export const careless: PortableProducer = producer(
  import.meta.url,
  async (stream: EventStream) => {
    const bad: unknown[] = [
      { event: 'a\nb' },
      { id: 'a\0b' },
      { data: 1n },
      { data: () => {} },
      { dta: 1 },
      5,
      null,
    ]
    for (const event of bad) {
      try {
        stream.send(event as EventInput)
        stream.send('taken')
      } catch (error) {
        stream.send((error as { code: string }).code)
      }
    }
  },
  { name: 'careless' },
)

/** Returns at once, and goes on in a timer until it closes its stream itself. */
export const subscribing: PortableProducer<Input & { lastWord: string }> = producer(
  import.meta.url,
  (stream: EventStream, { flags, lastWord }: Input & { lastWord: string }) => {
    let ticks = 0
    const timer = setInterval(() => {
      stream.send(`tick ${++ticks}`)
      if (ticks < 3) return
      clearInterval(timer)
      stream.send({ data: lastWord })
      stream.close()
      stream.close()
      if (stream.closed && !stream.send('after the end') && !stream.send(null as never))
        raise(flags, Flag.SEEN)
    }, 1)
  },
  { name: 'subscribing' },
)

export const echoing: PortableProducer<unknown> = producer(
  import.meta.url,
  async (stream: EventStream, input: unknown) => {
    stream.send({ event: stream.lastEventId ?? 'none', data: input })
  },
  { name: 'echoing' },
)

/** Whose request it is, in the async context, as an app would hold it. Each thread has one of its own. */
export const identity: AsyncLocalStorage<string> = new AsyncLocalStorage()

/** The name of this thread, unlike that of any other of any process. */
export const here: string = `${process.pid}/${threadId}`

export interface Identified {
  /** The thread that it ran on. */
  at: string
  /** Of {@link identity}: `null` where there was nothing. */
  who: string | null
}

/** Sends again and again whose request it runs in; others run in between. Fails at its end, where `fails` is set. */
export const identifying: PortableProducer<{ fails: boolean }> = producer(
  import.meta.url,
  async function* identifying(stream: EventStream, { fails }: { fails: boolean }) {
    const said = (): EventInput => {
      const who = identity.getStore() ?? null
      stream.log.info({ by: 'producer', expected: stream.context['who'] }, 'said')
      return { event: String(stream.context['who']), data: { at: here, who } satisfies Identified }
    }
    yield said()
    await new Promise((resolve) => setImmediate(resolve))
    yield said()
    stream.send(said())
    await stream.ready()
    yield said()
    if (fails) throw new Error('told to')
  },
  { name: 'identifying' },
)

/** Logs, and sends the context that it sees. */
export const logging: PortableProducer = producer(
  import.meta.url,
  async (stream: EventStream) => {
    const by = 'producer'
    stream.log.debug({ by }, 'below the level')
    stream.log.info({ by }, 'first')
    stream.log.warn({ by }, 'second')
    stream.log.error({ by, err: Object.assign(new TypeError('bad'), { code: 'E_BAD' }) }, 'third')
    stream.send({ data: stream.context })
  },
  { name: 'logging' },
)

/** Sends large events at the pace of the client, counting the times that it had to wait. */
export const pacing: PortableProducer<Input & { count: number; size: number }> = producer(
  import.meta.url,
  async (stream: EventStream, { flags, count, size }: Input & { count: number; size: number }) => {
    for (let n = 0; n < count; n++) {
      if (stream.send({ id: n, data: 'x'.repeat(size) })) continue
      raise(flags, Flag.SEEN)
      if (!(await stream.ready())) return
    }
  },
  { name: 'pacing' },
)

/** Sends as fast as it can, whether or not the client keeps up. */
export const flooding: PortableProducer<Input> = producer(
  import.meta.url,
  async (stream: EventStream, { flags }: Input) => {
    const event = 'x'.repeat(65_536)
    while (!stream.closed) {
      stream.send(event)
      // The streams that share this thread need their turn.
      await new Promise((resolve) => setImmediate(resolve))
    }
    raise(flags, Flag.FINALLY)
  },
  { name: 'flooding' },
)

/** Holds its place until the test sets `GO`. */
export const holding: PortableProducer<Input & { word: string }> = producer(
  import.meta.url,
  async (stream: EventStream, { flags, word }: Input & { word: string }) => {
    raise(flags, Flag.STARTED)
    while (Atomics.load(flags, Flag.GO) === 0 && !stream.closed) {
      await new Promise((resolve) => setTimeout(resolve, 1))
    }
    for (let n = 0; n < 20; n++) stream.send(`${word} ${n}`)
  },
  { name: 'holding' },
)
