/* oxlint-disable unicorn/no-thenable -- thenables are what some of these return */
/** Portable producers that return a source which somebody may listen to, or a promise of another kind. */
import { createInterface, type Interface } from 'node:readline'
import { PassThrough, Readable } from 'node:stream'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { runInNewContext } from 'node:vm'
import { producer, type EventInput, type EventStream, type PortableProducer } from '../../src/index.ts'

const readable = (): Readable => Readable.from(['a', 'b'])

const lines = (): Interface => createInterface({ input: Readable.from(['a\nb\n']) })

/** Sources that somebody else reads as well. */
const inUse: Record<string, (stream: EventStream) => unknown> = {
  'a Readable with a listener that sends': (stream) =>
    readable().on('data', (event: string) => stream.send(event)),
  'the promise of one': async (stream) => {
    await nextTurn()
    return readable().on('data', (event: string) => stream.send(event))
  },
  'one whose listener is paused': (stream) =>
    readable()
      .on('data', (event: string) => stream.send(event))
      .pause(),
  'one that flows without a listener': () => readable().resume(),
  'one that is piped elsewhere': () => {
    const source = readable()
    source.pipe(new PassThrough({ objectMode: true })).resume()
    return source
  },
  'lines with a listener that sends': (stream) => lines().on('line', (line) => stream.send(line)),
}

/** Sources that only headfirst reads. */
const alone: Record<string, () => unknown> = {
  'a Readable': readable,
  'one that is paused': () => readable().pause(),
  'one with other listeners': () => readable().on('end', () => {}),
  'the end of a pipe': () => readable().pipe(new PassThrough({ objectMode: true })),
  lines,
}

/** Starts when `then` is called, as a query does, and answers nothing. */
const query = (stream: EventStream, value?: unknown): { then: unknown } => ({
  then: (resolve: (value: unknown) => void) => {
    stream.send('a')
    setImmediate(() => {
      stream.send('b')
      resolve(value)
    })
  },
})

const thenables: Record<string, (stream: EventStream) => unknown> = {
  'whose work starts at then(), which returns nothing': (stream) => query(stream),
  'that is a function': (stream) => Object.assign(() => {}, query(stream)),
  'that calls back in its then(), twice': (stream) => ({
    then: (resolve: () => void) => {
      stream.send('a')
      stream.send('b')
      resolve()
      resolve()
    },
  }),
  'that settles with a thenable': (stream) => ({
    then: (resolve: (value: unknown) => void) => resolve(query(stream)),
  }),
  'that settles with events': () => ({ then: (resolve: (value: unknown) => void) => resolve(['a', 'b']) }),
  'whose getter of then() answers once': (stream) =>
    Object.defineProperty({}, 'then', { get: (): unknown => query(stream).then }),
  'of another realm': (stream) =>
    runInNewContext(`(async () => { send('a'); await undefined; send('b') })()`, {
      send: (event: string) => stream.send(event),
    }),
  'of a subclass of Promise whose then() starts it': (stream) => {
    class Lazy extends Promise<void> {
      override then: Promise<void>['then'] = (...callbacks) => {
        stream.send('a')
        stream.send('b')
        return Promise.resolve().then(...callbacks)
      }
    }
    return new Lazy(() => {})
  },
}

const failing: Record<string, () => unknown> = {
  'that rejects': () => ({
    then: (_: unknown, reject: (reason: Error) => void) => reject(new Error('no rows')),
  }),
  'whose then() throws': () => ({
    then: () => {
      throw new Error('no rows')
    },
  }),
  'whose then() throws when it has called back': () => ({
    then: (_: unknown, reject: (reason: Error) => void) => {
      reject(new Error('no rows'))
      throw new Error('too late')
    },
  }),
}

const all: Record<string, (stream: EventStream) => unknown> = { ...inUse, ...alone, ...thenables, ...failing }

/** What each kind is called. */
export const IN_USE: string[] = Object.keys(inUse)
export const ALONE: string[] = Object.keys(alone)
export const THENABLES: string[] = Object.keys(thenables)
export const FAILING: string[] = Object.keys(failing)

/** Returns what has this name. */
export const returns: PortableProducer<string> = producer(
  import.meta.url,
  (stream: EventStream, name: string) => all[name]?.(stream) as AsyncIterable<EventInput>,
  { name: 'returns' },
)
