import { connect, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import { nowMs } from '../../profiler/clock.ts'
import { DecodedBody, type Coding } from './decoded-body.ts'
import type { EventShape } from '../../profiler/client/event-body.ts'
import { ResponseParser } from './response-parser.ts'

/** Where streams are, and what makes one complete. */
export interface Target {
  port: number
  path: string
  /** Whether to speak TLS, and to believe any certificate. Default: no. */
  tls?: boolean
  /** How many events each stream has, numbered from 0; undefined where nothing is known of them. */
  events: number | undefined
  /** Undefined where events may be of any kind. */
  shape?: EventShape | undefined
  /** The client's own address, one of the loopback interface: each has ports of its own. Default: 127.0.0.1. */
  localAddress?: string
  /** What the client accepts, and the body has to be in. Its events are seen some ms late. Default: none. */
  coding?: Coding | undefined
}

/**
 * How a stream went. Only `good` ones count; the others are errors:
 *
 * - `refused`, `reset`: by TCP
 * - `timeout`: not complete when the row ended
 * - `status`: not a 200 with an event stream in chunks, in the content coding that was asked for
 * - `truncated`: ended before its last chunk, or with fewer or more events than it should have
 * - `hole`: an event's number did not follow the one before
 * - `malformed`: not HTTP/1.1, or not what its content coding says
 */
export type Outcome = 'good' | 'refused' | 'reset' | 'timeout' | 'status' | 'truncated' | 'hole' | 'malformed'

/** All sockets read into this one: what they read is parsed before anything else is. */
const READ_BUFFER = Buffer.allocUnsafe(65_536)

/**
 * One client: a connection of its own, one request, one stream, on a raw socket, because HTTP clients show a
 * response only once its head is parsed, and cost more than what is measured.
 *
 * All times are in ms since the *intended* start. A client that was sent late, because the generator or the
 * server was busy, has waited all the same.
 */
export class StreamClient {
  readonly parser: ResponseParser
  /** How much later than intended the connection was opened. */
  readonly lagMs: number
  firstByteMs: number | undefined
  firstEventMs: number | undefined
  lastEventMs: number | undefined
  /** All that was read: head, framing of HTTP, and the body as it is coded. */
  wireBytes = 0
  outcome: Outcome | undefined

  readonly #target: Target
  readonly #intendedMs: number
  readonly #socket: Socket
  readonly #onSettled: (client: StreamClient) => void
  readonly #decoded: DecodedBody | undefined
  #onHead: (() => void) | undefined
  #events = 0

  /** @param onHead called when the head of an event stream is there */
  constructor(
    target: Target,
    intendedMs: number,
    onSettled: (client: StreamClient) => void,
    onHead?: () => void,
  ) {
    const { coding } = target
    this.parser = new ResponseParser(
      target.shape,
      coding === undefined
        ? undefined
        : { coding, onCoded: (chunk, from, to) => this.#decoded?.push(chunk, from, to) },
    )
    this.#decoded =
      coding === undefined
        ? undefined
        : new DecodedBody(
            coding,
            this.parser.body,
            () => this.#noteEvents(),
            (error) => this.settle(error === undefined ? this.#verdict() : 'malformed'),
          )
    this.#target = target
    this.#intendedMs = intendedMs
    this.#onSettled = onSettled
    this.#onHead = onHead
    this.lagMs = nowMs() - intendedMs
    const { tls = false, port, localAddress } = target
    const read = (length: number, buffer: Uint8Array): true => {
      this.#read(buffer as Buffer, length)
      return true
    }
    this.#socket = tls
      ? // It reads into buffers of its own.
        connectTls({ host: '127.0.0.1', port, rejectUnauthorized: false, ALPNProtocols: ['http/1.1'] }).on(
          'data',
          (chunk: Buffer) => read(chunk.length, chunk),
        )
      : connect({
          host: '127.0.0.1',
          port,
          noDelay: true,
          ...(localAddress === undefined ? {} : { localAddress }),
          onread: { buffer: READ_BUFFER, callback: read },
        })
    this.#socket.on('error', (error: NodeJS.ErrnoException) => {
      this.settle(error.code === 'ECONNREFUSED' ? 'refused' : 'reset')
    })
    this.#socket.on('close', () => {
      // What has come may still be at the decoder.
      if (this.#decoded === undefined || !this.parser.complete) this.settle('truncated')
    })
    this.#socket.write(
      `GET ${target.path} HTTP/1.1\r\nHost: 127.0.0.1:${target.port}\r\nAccept: text/event-stream\r\n${coding === undefined ? '' : `Accept-Encoding: ${coding}\r\n`}Connection: close\r\n\r\n`,
    )
  }

  /** The first outcome counts. */
  settle(outcome: Outcome): void {
    if (this.outcome !== undefined) return
    this.outcome = outcome
    // A complete stream's connection is closed by the server, as it was asked to.
    if (outcome !== 'good') {
      this.#socket.destroy()
      this.#decoded?.destroy()
    }
    this.#onSettled(this)
  }

  #read(buffer: Buffer, length: number): void {
    this.firstByteMs ??= nowMs() - this.#intendedMs
    this.wireBytes += length
    const { parser } = this
    try {
      parser.push(buffer.subarray(0, length))
    } catch {
      this.settle('malformed')
      return
    }
    this.#noteEvents()
    if (parser.isEventStream && this.#onHead !== undefined) {
      this.#onHead()
      this.#onHead = undefined
    }
    if (parser.complete) {
      if (this.#decoded === undefined) this.settle(this.#verdict())
      else this.#decoded.end()
    }
    if (parser.status !== undefined && !parser.isEventStream) this.settle('status')
  }

  #noteEvents(): void {
    const { events } = this.parser.body
    if (events === this.#events) return
    this.#events = events
    const atMs = nowMs() - this.#intendedMs
    this.firstEventMs ??= atMs
    this.lastEventMs = atMs
  }

  #verdict(): Outcome {
    if (this.#target.events === undefined) return 'good'
    const { events, inSequence } = this.parser.body
    if (!inSequence) return 'hole'
    return events === this.#target.events ? 'good' : 'truncated'
  }
}
