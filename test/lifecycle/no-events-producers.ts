/** Portable producers whose sources yield one event, and then what is none. */
import { Readable } from 'node:stream'
import { producer, type EventInput, type EventStream, type PortableProducer } from '../../src/index.ts'

const refuse = (): never => {
  throw new Error('not to be read')
}

const values: Record<string, () => unknown> = {
  undefined: () => undefined,
  null: () => null,
  'a number': () => 5,
  'a boolean': () => false,
  'a symbol': () => Symbol('symbol'),
  'a bigint': () => 5n,
  'a function': () => refuse,
  'an array': () => ['text'],
  'a Buffer': () => Buffer.from('data: x\n\n'),
  'an ArrayBuffer': () => new ArrayBuffer(8),
  'a Date': () => new Date(0),
  'an empty object': () => ({}),
  'an object with an unknown field': () => ({ data: 'x', evnt: 'y' }),
  'an object whose getters throw': () => ({
    get data() {
      return refuse()
    },
  }),
  'a proxy that refuses everything': () => new Proxy({}, { get: refuse, has: refuse, ownKeys: refuse }),
  'a revoked proxy': () => {
    const { proxy, revoke } = Proxy.revocable({}, {})
    revoke()
    return proxy
  },
  'an id with a line end': () => ({ id: 'a\nb', data: 'x' }),
  'an id that is no number': () => ({ id: NaN, data: 'x' }),
  'a retry below zero': () => ({ retry: -1 }),
  'data that cannot be serialized': () => ({ data: 5n }),
}

/** What is no event, by name. */
export const NO_EVENTS: string[] = Object.keys(values)
/** Those that Node's streams refuse themselves, or take for their end. */
export const ENDS_READABLE: string[] = ['null', 'undefined']

const value = (name: string): EventInput => (values[name] as () => unknown)() as EventInput

const twoOf = (name: string): EventInput[] => ['before', value(name), 'after']

export const generator: PortableProducer<string> = producer(
  import.meta.url,
  function* generator(_stream: EventStream, name: string) {
    for (const each of twoOf(name)) yield each
  },
  { name: 'generator' },
)

export const asyncGenerator: PortableProducer<string> = producer(
  import.meta.url,
  async function* asyncGenerator(_stream: EventStream, name: string) {
    for (const each of twoOf(name)) yield await Promise.resolve(each)
  },
  { name: 'asyncGenerator' },
)

export const array: PortableProducer<string> = producer(
  import.meta.url,
  (_stream: EventStream, name: string) => twoOf(name),
  { name: 'array' },
)

export const sends: PortableProducer<string> = producer(
  import.meta.url,
  async (stream: EventStream, name: string) => {
    for (const each of twoOf(name)) stream.send(each)
  },
  { name: 'sends' },
)

export const objects: PortableProducer<string> = producer(
  import.meta.url,
  (_stream: EventStream, name: string) => Readable.from(twoOf(name)) as AsyncIterable<EventInput>,
  { name: 'objects' },
)

export const webStream: PortableProducer<string> = producer(
  import.meta.url,
  (_stream: EventStream, name: string) => {
    const left = twoOf(name)
    return new ReadableStream<EventInput>({
      pull(controller) {
        if (left.length === 0) controller.close()
        else controller.enqueue(left.shift() as EventInput)
      },
    }) as AsyncIterable<EventInput>
  },
  { name: 'webStream' },
)

/** A `Readable` of bytes, as a file or a socket is. */
export const bytes: PortableProducer = producer(
  import.meta.url,
  () =>
    new Readable({
      read() {
        this.push('data: x\n\n')
        this.push(null)
      },
    }) as AsyncIterable<EventInput>,
  { name: 'bytes' },
)
