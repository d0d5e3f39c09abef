/** Portable producers that send one event and fail, each in its way. */
import { Readable } from 'node:stream'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { producer, type EventInput, type EventStream, type PortableProducer } from '../../../src/index.ts'
import { Flag, raise } from '../../../src/testing/flags.ts'
import type { Flagged } from './flagged.ts'

export const SECRET = 'the password is hunter2'

const secret = (): Error => Object.assign(new Error(SECRET), { code: 'E_SECRET' })

export const generator: PortableProducer = producer(
  import.meta.url,
  function* generator() {
    yield 'before'
    throw secret()
  },
  { name: 'generator' },
)

export const asyncGenerator: PortableProducer = producer(
  import.meta.url,
  async function* asyncGenerator() {
    yield 'before'
    await nextTurn()
    throw secret()
  },
  { name: 'asyncGenerator' },
)

export const later: PortableProducer = producer(
  import.meta.url,
  async (stream: EventStream) => {
    stream.send('before')
    await nextTurn()
    throw secret()
  },
  { name: 'later' },
)

/** It would have returned nothing, to go on in its timers. */
export const atOnce: PortableProducer = producer(
  import.meta.url,
  (stream: EventStream) => {
    stream.send('before')
    throw secret()
  },
  { name: 'atOnce' },
)

export const readable: PortableProducer = producer(
  import.meta.url,
  () => {
    let sent = false
    return new Readable({
      objectMode: true,
      read() {
        if (sent) this.destroy(secret())
        else this.push('before')
        sent = true
      },
    }) as AsyncIterable<EventInput>
  },
  { name: 'readable' },
)

export const webStream: PortableProducer = producer(
  import.meta.url,
  () => {
    let sent = false
    return new ReadableStream<string>(
      {
        pull(controller) {
          if (sent) controller.error(secret())
          else controller.enqueue('before')
          sent = true
        },
      },
      { highWaterMark: 0 },
    ) as AsyncIterable<EventInput>
  },
  { name: 'webStream' },
)

export const iterator: PortableProducer = producer(
  import.meta.url,
  () => {
    let sent = false
    const iterable: Iterable<EventInput> = {
      [Symbol.iterator]: () => ({
        next: () => {
          if (sent) throw secret()
          sent = true
          return { done: false, value: 'before' }
        },
      }),
    }
    return iterable
  },
  { name: 'iterator' },
)

const refuse = (): never => {
  throw new Error('not to be read')
}

const throwable: Record<string, () => unknown> = {
  undefined: () => undefined,
  null: () => null,
  'a string': () => 'text',
  'a symbol': () => Symbol('symbol'),
  'a bigint': () => 5n,
  'a function': () => refuse,
  'an object': () => ({ any: 'thing' }),
  'an AbortError': () => new DOMException('aborted', 'AbortError'),
  'a frozen error': () => Object.freeze(new Error(SECRET)),
  'an error whose name cannot be read': () => Object.defineProperty(new Error('x'), 'name', { get: refuse }),
  'an error whose message cannot be read': () =>
    Object.defineProperty(new Error('x'), 'message', { get: refuse }),
  'an error whose stack cannot be read': () =>
    Object.defineProperty(new Error('x'), 'stack', { get: refuse }),
  'an error that is its own cause': () => {
    const error = new Error('round')
    error.cause = error
    return error
  },
  'an object whose getters throw': () => ({
    get name() {
      return refuse()
    },
    get message() {
      return refuse()
    },
    toString: refuse,
    toJSON: refuse,
  }),
  'a proxy that refuses everything': () =>
    new Proxy({}, { get: refuse, has: refuse, getPrototypeOf: refuse, ownKeys: refuse }),
  'a revoked proxy': () => {
    const { proxy, revoke } = Proxy.revocable({}, {})
    revoke()
    return proxy
  },
}

/** What may be thrown, by name. */
export const THROWN: string[] = Object.keys(throwable)

const thrown = (name: string): unknown => (throwable[name] as () => unknown)()

export const anything: PortableProducer<string> = producer(
  import.meta.url,
  async (stream: EventStream, name: string) => {
    stream.send('before')
    await nextTurn()
    throw thrown(name)
  },
  { name: 'anything' },
)

/** Throws when it has closed its stream. */
export const anythingLate: PortableProducer<string> = producer(
  import.meta.url,
  async (stream: EventStream, name: string) => {
    stream.send('before')
    stream.close()
    throw thrown(name)
  },
  { name: 'anythingLate' },
)

/** Ends, and leaves a timer behind that goes on to send. */
export const strayTimer: PortableProducer<Flagged> = producer(
  import.meta.url,
  async (stream: EventStream, { flags }: Flagged) => {
    raise(flags, Flag.STARTED)
    stream.send('before')
    let sends = 0
    const timer = setInterval(() => {
      const taken = stream.send('late') || stream.send(null as never) || stream.comment('late')
      if (taken || ++sends < 3) return
      clearInterval(timer)
      raise(flags, Flag.SEEN)
    }, 1)
  },
  { name: 'strayTimer' },
)
