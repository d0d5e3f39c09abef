/** Producers that send what they have, and end. */
import { getPriority } from 'node:os'
import { setTimeout as later } from 'node:timers/promises'
import { parentPort } from 'node:worker_threads'
import { producer, type EventStream, type PortableProducer, type EventInput } from '../../../src/index.ts'
import { LOG_LEVELS } from '../../../src/sse/stream.ts'
import { sendNumbers, type Counted } from './flagged.ts'

interface Signature {
  order: Int32Array
  number: number
}

/** Sends numbers, and ends. */
export const count: PortableProducer<Counted> = producer(
  import.meta.url,
  async (stream: EventStream, input: Counted) => sendNumbers(stream, input),
  { name: 'count' },
)

/** Sends these, and ends. */
export const sending: PortableProducer<readonly EventInput[]> = producer(
  import.meta.url,
  async (stream: EventStream, events: readonly EventInput[]) => {
    for (const event of events) stream.send(event)
  },
  { name: 'sending' },
)

/** Sends the Last-Event-ID of its request. */
export const lastEventId: PortableProducer = producer(
  import.meta.url,
  async (stream: EventStream) => {
    stream.send({ data: JSON.stringify(stream.lastEventId ?? null) })
  },
  { name: 'lastEventId' },
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

/** Signs in a list: its first word counts the signatures. */
export const signs: PortableProducer<Signature> = producer(
  import.meta.url,
  async (_stream: EventStream, { order, number }: Signature) => {
    order[Atomics.add(order, 0, 1) + 1] = number
  },
  { name: 'signs' },
)

export const tellsPriority: PortableProducer = producer(
  import.meta.url,
  async (stream: EventStream) => void stream.send(String(getPriority())),
  { name: 'tellsPriority' },
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
    await later(1)
    sendNumbers(stream, input)
  },
  { name: 'postsMessages' },
)
