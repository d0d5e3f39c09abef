import { Connection, type Endpoint } from '../../profiler/client/connection.ts'
import type { BodyListener, EventBody } from '../../profiler/client/event-body.ts'
import { EventScanner } from '../../profiler/client/event-scanner.ts'
import { Stream, type StreamOwner } from '../../profiler/client/stream.ts'
import type { End } from '../../profiler/plan.ts'
import { DecodedBody } from './decoded-body.ts'
import { FixedEvents } from './fixed-events.ts'
import type { Target } from './target.ts'

const HOST = '127.0.0.1'

/** What happens to the streams of a target. */
interface Events {
  /** Something of its event stream has come. */
  heard?: (stream: Stream) => void
  settled?: (stream: Stream) => void
  /** An event that is stamped has come. */
  stamped?: (latencyMs: number, sentMs: number) => void
}

/**
 * The streams of one target, each on a connection of its own. They end by themselves, and the server closes their
 * connections, as it was asked to.
 */
export class TargetStreams implements StreamOwner {
  readonly end: End = { events: undefined, forMs: undefined, timeoutMs: Infinity }
  readonly request: Buffer
  readonly coding: Target['coding']
  readonly #target: Target
  readonly #endpoint: Endpoint
  readonly #events: Events
  /** Those whose end is waited for, and what to do then. */
  readonly #awaited = new Map<Stream, () => void>()

  constructor(target: Target, events: Events = {}) {
    const { port, path, coding } = target
    this.coding = coding
    this.#target = target
    this.#events = events
    this.#endpoint = endpointOf(target)
    this.request = requestFor({
      port,
      path,
      headers: coding === undefined ? [] : [`Accept-Encoding: ${coding}`],
    })
  }

  begin(intendedMs: number): Stream {
    return new Stream(this, intendedMs)
  }

  /** Resolves when one that was just begun is over, as it is after so long at the latest. */
  async over(stream: Stream, withinMs: number): Promise<void> {
    const timer = setTimeout(() => stream.settle('timeout'), withinMs)
    await new Promise<void>((resolve) => this.#awaited.set(stream, resolve))
    clearTimeout(timer)
  }

  connect(): Connection {
    return new Connection(this.#endpoint)
  }

  bodyOf(listener: BodyListener): EventBody {
    const { shape, coding } = this.#target
    const events = shape === undefined ? new EventScanner() : new FixedEvents(shape, listener)
    return coding === undefined ? events : new DecodedBody(coding, events, listener)
  }

  heard(stream: Stream): void {
    const { status, framing } = stream.reader
    if (status === undefined) return
    if (framing === 'chunked') this.#events.heard?.(stream)
    else stream.settle('status')
  }

  news(): void {}

  stamped(_stream: Stream, latencyMs: number | undefined, sentMs: number): void {
    if (latencyMs !== undefined) this.#events.stamped?.(latencyMs, sentMs)
  }

  settled(stream: Stream): void {
    this.#awaited.get(stream)?.()
    this.#awaited.delete(stream)
    this.#events.settled?.(stream)
  }
}

export function endpointOf({ port, tls = false, localAddress }: Omit<Target, 'path' | 'events'>): Endpoint {
  return {
    host: HOST,
    port,
    socketPath: undefined,
    tls: tls ? { servername: HOST, ca: undefined, insecure: true } : undefined,
    localAddress,
  }
}

interface RequestPlan {
  port: number
  path: string
  headers?: readonly string[] | undefined
}

/** The bytes that ask for a stream on a connection of its own. */
export function requestFor({ port, path, headers = [] }: RequestPlan): Buffer {
  const lines = [
    `GET ${path} HTTP/1.1`,
    `Host: ${HOST}:${port}`,
    'Accept: text/event-stream',
    ...headers,
    'Connection: close',
  ]
  return Buffer.from(`${lines.join('\r\n')}\r\n\r\n`, 'latin1')
}
