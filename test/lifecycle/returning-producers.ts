/** Portable producers that return a source which somebody may listen to. */
import { createInterface, type Interface } from 'node:readline'
import { PassThrough, Readable } from 'node:stream'
import { setImmediate as nextTurn } from 'node:timers/promises'
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

const all: Record<string, (stream: EventStream) => unknown> = { ...inUse, ...alone }

/** What each kind is called. */
export const IN_USE: string[] = Object.keys(inUse)
export const ALONE: string[] = Object.keys(alone)

/** Returns what has this name. */
export const returns: PortableProducer<string> = producer(
  import.meta.url,
  (stream: EventStream, name: string) => all[name]?.(stream) as AsyncIterable<EventInput>,
  { name: 'returns' },
)
