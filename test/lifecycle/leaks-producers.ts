/** Portable producers of streams that come and go, one for each reason to close. */
import { queryObjects } from 'node:v8'
import { threadId } from 'node:worker_threads'
import { producer, type EventStream, type PortableProducer } from '../../src/index.ts'
import { EventStream as Stream } from '../../src/sse/stream.ts'

const aborted = async ({ signal }: EventStream): Promise<void> =>
  new Promise((resolve) => signal.addEventListener('abort', () => resolve()))

/** More than a local socket holds. */
const FLOOD = { events: 8, text: 'x'.repeat(65_536) }

/** Sends more than is taken, then waits for what comes of it. */
export const floods: PortableProducer = producer(
  import.meta.url,
  async (stream: EventStream) => {
    for (let n = 0; n < FLOOD.events && !stream.closed; n++) stream.send(FLOOD.text)
    if (!stream.closed) await aborted(stream)
  },
  { name: 'floods' },
)

/** Yields for as long as it may. */
export const pours: PortableProducer = producer(
  import.meta.url,
  function* pours() {
    yield '0'
    for (;;) yield FLOOD.text
  },
  { name: 'pours' },
)

/** What is alive on a worker thread. */
export interface ThreadCount {
  id: number
  /** Of its heap, after garbage collection. */
  heapBytes: number
  /** The one that tells included. */
  streams: number
}

/** Tells what is alive on its thread, and stays. */
export const counts: PortableProducer = producer(
  import.meta.url,
  async (stream: EventStream) => {
    for (let n = 0; n < 2; n++) {
      globalThis.gc?.()
      await new Promise((resolve) => setImmediate(resolve))
    }
    const count: ThreadCount = {
      id: threadId,
      heapBytes: process.memoryUsage().heapUsed,
      streams: queryObjects(Stream, { format: 'count' }),
    }
    stream.send({ id: '0', data: JSON.stringify(count) })
    await aborted(stream)
  },
  { name: 'counts' },
)
