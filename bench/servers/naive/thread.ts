/** The thread of the naive executor: the same producers, encoder and `EventStream`, and a message per event. */
import type { EventStream, Producer, StreamContext, StreamLog } from 'headfirst'
import { parentPort, type MessagePort } from 'node:worker_threads'
import { built } from '../built.ts'

const { run } = await built<{
  run: (producer: Producer<never>, stream: EventStream, input: unknown) => Promise<void> | undefined
}>('runtime/producer.js')
const stream = await built<{
  EventStream: new (
    sink: PostingSink,
    settings: { context: StreamContext; log: StreamLog; lastEventId: string | undefined },
  ) => EventStream
}>('sse/stream.js')

/** One stream for the thread to run. */
export interface Order {
  /** To it go {@link FromThread}s. From it comes a boolean, when the client has caught up (or, false, has left). */
  port: MessagePort
  module: string
  name: string
  input: unknown
  lastEventId: string | undefined
  context: StreamContext
  highWaterMark: number
}

/** An event's text, or: the producer starts, waits for the client to catch up, is done. */
export type FromThread = string | { kind: 'start' } | { kind: 'behind' } | { kind: 'done'; error?: unknown }

/** headfirst's `Sink`: posts what it takes. What the server's thread has of it is asked only over the high-water mark. */
class PostingSink {
  readonly closed = false
  readonly #port: MessagePort
  readonly #highWaterMark: number
  /** Bytes posted since the client was last known to have caught up. */
  #bytes = 0
  #ready: ((isOpen: boolean) => void) | undefined

  constructor(port: MessagePort, highWaterMark: number) {
    this.#port = port
    this.#highWaterMark = highWaterMark
    port.on('message', (isOpen: boolean) => {
      this.#bytes = 0
      this.#ready?.(isOpen)
    })
  }

  write(chunk: string): boolean {
    this.post(chunk)
    this.#bytes += Buffer.byteLength(chunk)
    return this.#bytes <= this.#highWaterMark
  }

  async ready(): Promise<boolean> {
    if (this.#bytes <= this.#highWaterMark) return true
    const answer = new Promise<boolean>((resolve) => (this.#ready = resolve))
    this.post({ kind: 'behind' })
    return answer
  }

  end(): void {}

  post(message: FromThread): void {
    this.#port.postMessage(message)
  }
}

parentPort?.on('message', (order: Order) => void runStream(order))

async function runStream({
  port,
  module,
  name,
  input,
  lastEventId,
  context,
  highWaterMark,
}: Order): Promise<void> {
  const sink = new PostingSink(port, highWaterMark)
  sink.post({ kind: 'start' })
  try {
    const producers = (await import(module)) as Record<string, Producer<never>>
    await run(
      producers[name] as Producer<never>,
      new stream.EventStream(sink, { context, log: SILENT, lastEventId }),
      input,
    )
    sink.post({ kind: 'done' })
  } catch (error) {
    sink.post({ kind: 'done', error })
  }
}

const SILENT: StreamLog = Object.freeze({
  trace() {},
  debug() {},
  info() {},
  warn() {},
  error() {},
  fatal() {},
})
