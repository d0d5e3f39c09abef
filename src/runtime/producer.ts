/**
 * What a producer is, how one is marked as portable, and how one runs: the same on every thread.
 */
import { AsyncResource } from 'node:async_hooks'
import type { Interface } from 'node:readline'
import type { Readable } from 'node:stream'
import {
  HF_ERR_OPTION_INVALID,
  HF_ERR_OPTION_UNKNOWN,
  HF_ERR_PRODUCER_INVALID,
  HF_ERR_SOURCE_IN_USE,
} from '../errors.ts'
import { show, type EventInput, type Serializer } from '../sse/event.ts'
import { onStreamClosed, type EventStream } from '../sse/stream.ts'

/**
 * What a producer may return.
 *
 * - nothing: the stream stays open until `stream.close()` (for producers that subscribe and return)
 * - a promise, or any other thenable (a query of Knex or Prisma): the stream ends when it settles
 * - an iterable or async iterable of events (a generator, a `Readable`, a web stream): each is sent at the pace
 *   of the client, and the stream ends after the last
 */
export type Produced = void | PromiseLike<void> | Iterable<EventInput> | AsyncIterable<EventInput>

/** Emits the events of one stream. `input` is what the route gave to `reply.sse()`. */
export type Producer<Input = void> = (stream: EventStream, input: Input) => Produced

export interface PortableOptions {
  /** The name under which the module exports it. May be left out where it exports only one producer. */
  name?: string
  /**
   * Turns `data` that is not a string into one, on any executor.
   *
   * @default JSON.stringify
   */
  serializer?: Serializer
}

/** Marks portable producers across copies of this module (a bundle and a thread may each have their own). */
const PORTABLE: unique symbol = Symbol.for('headfirst.portable') as never

/** Where a thread finds a portable producer, and how its data is serialized. */
export interface Portability {
  /** The module's URL. */
  readonly module: string
  readonly name: string | undefined
  readonly serializer: Serializer | undefined
}

/** A producer that any executor can run, because a thread can import it. */
export type PortableProducer<Input = void> = Producer<Input> & { readonly [PORTABLE]: Portability }

// `any`, since a parameter's type is inferred here and checked where the producer is used.
// eslint-disable-next-line typescript/no-explicit-any
type AnyProducer = (stream: EventStream, input: any) => Produced

type InputOf<Fn extends AnyProducer> = Parameters<Fn> extends [] | [EventStream] ? void : Parameters<Fn>[1]

/**
 * Marks a producer as portable. Export what it returns, from a module that starts nothing.
 *
 * @example
 * export const report = producer(import.meta.url, async (stream, { year }: { year: number }) => {
 *   for (const row of compute(year)) stream.send({ data: row })
 * })
 *
 * @param module `import.meta.url` of the module that exports it
 * @throws HF_ERR_PRODUCER_INVALID, HF_ERR_OPTION_UNKNOWN, HF_ERR_OPTION_INVALID
 */
export function producer<Fn extends AnyProducer>(
  module: string,
  fn: Fn,
  options: PortableOptions = {},
): PortableProducer<InputOf<Fn>> {
  if (typeof module !== 'string' || !URL.canParse(module)) {
    throw new HF_ERR_OPTION_INVALID('module', 'producer()', 'import.meta.url of its module', show(module))
  }
  if (typeof fn !== 'function') throw new HF_ERR_PRODUCER_INVALID('producer()', show(fn))
  if (typeof options !== 'object' || options === null) {
    throw new HF_ERR_OPTION_INVALID('options', 'producer()', 'an object', show(options))
  }
  for (const key in options) {
    if (key !== 'name' && key !== 'serializer') {
      throw new HF_ERR_OPTION_UNKNOWN(key, 'producer()', 'name, serializer')
    }
  }
  const { name, serializer } = options
  if (name !== undefined && (typeof name !== 'string' || name === '')) {
    throw new HF_ERR_OPTION_INVALID('name', 'producer()', 'the name of its export', show(name))
  }
  if (serializer !== undefined && typeof serializer !== 'function') {
    throw new HF_ERR_OPTION_INVALID('serializer', 'producer()', 'a function', show(serializer))
  }
  const portable = (stream: EventStream, input: never): Produced => fn(stream, input)
  const mark: Portability = Object.freeze({ module, name, serializer })
  return Object.defineProperty(portable, PORTABLE, { value: mark }) as never
}

/** Where a producer can be imported from; undefined for a closure. */
export function portability(candidate: unknown): Portability | undefined {
  return typeof candidate === 'function' ? (candidate as Partial<PortableProducer>)[PORTABLE] : undefined
}

/** Called between two events of a generator. It answers a promise if the generator has to wait. */
export type Pause = () => Promise<void> | undefined

/** How long a generator runs before others have a turn, in ms, where its executor has no limit of its own. */
export const SLICE_MS = 5

/**
 * Gives others a turn of the event loop when a generator has run for a slice. Without it a generator that never waits,
 * and whose client keeps up, would hold its thread for ever.
 *
 * @param sliceMs checked after each event: a computation between two events is never cut
 * @param next calls back when the generator may go on
 */
export function slices(sliceMs: number, next: (resume: () => void) => void): Pause {
  let began = performance.now()
  return () => {
    if (performance.now() - began < sliceMs) return undefined
    return new Promise((resolve) => {
      next(() => {
        began = performance.now()
        resolve()
      })
    })
  }
}

/**
 * Calls a producer and sends what it yields.
 *
 * @returns a promise that settles when the producer is done; undefined when it has returned nothing, so that
 *   its stream stays open until it is closed
 * @throws what the producer throws
 */
export function run(
  fn: Producer<never>,
  stream: EventStream,
  input: unknown,
  pause: Pause = slices(SLICE_MS, setImmediate),
): Promise<void> | undefined {
  const produced: unknown = fn(stream, input as never)
  return isThenable(produced) ? settle(produced, stream, pause) : pumpAll(produced, stream, pause)
}

/**
 * A thenable of another library may start its work when its `then` is called, call back at once, or return nothing:
 * `await` takes it as a promise does, and a promise as it is.
 */
async function settle(produced: PromiseLike<unknown>, stream: EventStream, pause: Pause): Promise<void> {
  const pumped = pumpAll(await produced, stream, pause)
  if (pumped !== undefined) await pumped
}

function pumpAll(produced: unknown, stream: EventStream, pause: Pause): Promise<void> | undefined {
  if (typeof produced !== 'object' || produced === null) return undefined
  if (produced instanceof ReadableStream) {
    const reader = (produced as ReadableStream<EventInput>).getReader()
    const events = { next: async () => reader.read(), return: async () => endReading(reader) }
    return stopOnClose(pump(events, stream, pause), stream, () => void endReading(reader))
  }
  if (Symbol.asyncIterator in produced) {
    if (isInUse(produced)) throw refuseInUse(produced)
    const pumped = pump((produced as AsyncIterable<EventInput>)[Symbol.asyncIterator](), stream, pause)
    const { destroy } = produced as Partial<Readable>
    if (typeof destroy !== 'function') return pumped
    return stopOnClose(pumped, stream, (reason) => destroy.call(produced, reason))
  }
  if (Symbol.iterator in produced) {
    return pump((produced as Iterable<EventInput>)[Symbol.iterator](), stream, pause)
  }
  return undefined
}

/**
 * A producer that sends in a listener and returns what it listens to (`(stream) => readable.on('data', …)`) would have
 * everything sent twice: a Readable, or an Interface of node:readline, gives its iterator what it gives its listeners.
 */
function isInUse(source: object): boolean {
  const { readableFlowing, listenerCount } = source as Partial<Readable>
  if (typeof listenerCount !== 'function') return false
  const listeners = (event: string): number => listenerCount.call(source, event)
  if (readableFlowing === undefined) return listeners('line') > 0
  return readableFlowing === true || listeners('data') > 0
}

function refuseInUse(source: object): Error {
  const { on, destroy, close } = source as Partial<
    Pick<Readable, 'on' | 'destroy'> & Pick<Interface, 'close'>
  >
  // Its own listeners are gone, and an error without a listener would end the process.
  on?.call(source, 'error', () => {})
  if (destroy === undefined) close?.call(source)
  else destroy.call(source)
  return new HF_ERR_SOURCE_IN_USE(show(source))
}

async function endReading(reader: ReadableStreamDefaultReader): Promise<IteratorReturnResult<undefined>> {
  // What cancelling rejects with has no use any more: the stream is closed.
  await reader.cancel().catch(() => {})
  return { done: true, value: undefined }
}

/** Stops a source that may otherwise wait for its next event long after the stream was closed. */
async function stopOnClose(
  pumped: Promise<void>,
  stream: EventStream,
  stop: (reason: Error) => void,
): Promise<void> {
  // A stream is seldom closed in the context of its own request.
  const forget = onStreamClosed(stream, AsyncResource.bind(stop))
  try {
    await pumped
  } finally {
    forget()
  }
}

/**
 * Sends what an iterator yields, at the pace of the client. When the stream is closed the iterator is returned
 * at its next `yield`, so that its `finally` runs. What is not an event is thrown into a generator where it was
 * yielded, as `send()` would have.
 */
async function pump(
  iterator: Iterator<EventInput> | AsyncIterator<EventInput>,
  stream: EventStream,
  pause: Pause,
): Promise<void> {
  let step = iterator.next()
  for (;;) {
    // A synchronous iterator is not slowed by an await per event.
    const result = isThenable(step) ? await step : step
    if (result.done === true) return
    let taken: boolean
    try {
      taken = stream.send(result.value)
    } catch (error) {
      step = await reject(iterator, error)
      continue
    }
    if (!taken) await stream.ready()
    const turn = pause()
    if (turn !== undefined) await turn
    if (stream.closed) {
      await iterator.return?.()
      return
    }
    step = iterator.next()
  }
}

/** Throws into a generator where it has yielded; one that does not catch it, or cannot, is done with it. */
async function reject(
  iterator: Iterator<EventInput> | AsyncIterator<EventInput>,
  error: unknown,
): Promise<IteratorResult<EventInput>> {
  if (iterator.throw !== undefined) return iterator.throw(error)
  await iterator.return?.()
  throw error
}

export function isThenable<T>(value: T | PromiseLike<T>): value is PromiseLike<T> {
  if (typeof value === 'function') return typeof (value as Partial<PromiseLike<T>>).then === 'function'
  return typeof value === 'object' && value !== null && 'then' in value && typeof value.then === 'function'
}
