import { request, type ClientRequest, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { pipeline, type Readable, type Transform } from 'node:stream'
import zlib from 'node:zlib'
import type { FastifyInstance } from 'fastify'
import { onTestFinished } from 'vitest'
import { Flag, raise, until, type Flags } from '../../src/testing/flags.ts'

export interface DecodingOptions {
  /** The request's `Accept-Encoding`. Default: none. */
  accept?: string
  headers?: Record<string, string>
  /** The body is not read before {@link DecodingClient.read}. */
  paused?: boolean
  /** Its EVENTS counts what has been decoded. */
  flags?: Flags
}

/** What has a server: a testbed. */
interface Served {
  readonly app: FastifyInstance
}

/** A client that decodes a body as it comes, event by event. */
export class DecodingClient {
  /** Bytes of the body that have come, as they were coded. */
  bytes = 0
  /** What they decode to. */
  text = ''
  /** True when the response, and what is coded in it, have come to their proper end. */
  complete: boolean | undefined
  #response: IncomingMessage | undefined
  #failed: Error | undefined
  readonly #request: ClientRequest
  readonly #flags: Flags | undefined

  private constructor(port: number, path: string, { accept, headers, paused, flags }: DecodingOptions) {
    this.#flags = flags
    this.#request = request({
      host: '127.0.0.1',
      port,
      path,
      agent: false,
      headers: { ...(accept !== undefined && { 'accept-encoding': accept }), ...headers },
    })
    this.#request.on('error', (error) => {
      this.#failed = error
      this.complete ??= false
    })
    this.#request.on('response', (response) => {
      this.#response = response
      if (paused !== true) this.read()
    })
    this.#request.end()
    onTestFinished(() => this.leave())
  }

  /** A client whose request is on its way to a server that listens. */
  static request({ app }: Served, path: string, options: DecodingOptions = {}): DecodingClient {
    return new DecodingClient((app.server.address() as AddressInfo).port, path, options)
  }

  /** A client that has its head; the server listens from the first one on. */
  static async open(served: Served, path: string, options: DecodingOptions = {}): Promise<DecodingClient> {
    if (!served.app.server.listening) await served.app.listen({ port: 0, host: '127.0.0.1' })
    const client = DecodingClient.request(served, path, options)
    await client.response()
    return client
  }

  /** Resolves with the head; rejects when there will be none. */
  async response(): Promise<IncomingMessage> {
    await until(() => {
      if (this.#response === undefined && this.#failed !== undefined) throw this.#failed
      return this.#response !== undefined
    }, 'the head')
    return this.head
  }

  /** Once it is here. */
  get head(): IncomingMessage {
    return this.#response as IncomingMessage
  }

  get status(): number | undefined {
    return this.#response?.statusCode
  }

  get coding(): string | undefined {
    return this.head.headers['content-encoding']
  }

  /** The data of the events that have arrived whole. */
  get events(): string[] {
    const whole = this.text.slice(0, this.text.lastIndexOf('\n\n') + 1)
    return whole.split('\n').flatMap((line) => (line.startsWith('data: ') ? [line.slice(6)] : []))
  }

  /** Begins to read, where it was opened `paused`. */
  read(): void {
    const { head } = this
    head.on('data', (bytes: Buffer) => (this.bytes += bytes.length))
    const body = this.#decoded()
    body.setEncoding('utf8')
    body.on('data', (text: string) => {
      if (this.#flags === undefined) {
        this.text += text
        return
      }
      const before = this.events.length
      this.text += text
      for (let count = before; count < this.events.length; count++) raise(this.#flags, Flag.EVENTS)
    })
    body.on('error', () => {})
    body.on('close', () => (this.complete = head.complete && body.readableEnded))
  }

  #decoded(): Readable {
    const make: (() => Transform) | undefined = {
      gzip: () => zlib.createGunzip(),
      br: () => zlib.createBrotliDecompress(),
      zstd: () => (zlib as unknown as { createZstdDecompress: () => Transform }).createZstdDecompress(),
    }[this.coding ?? '']
    return make === undefined ? this.head : pipeline(this.head, make(), () => {})
  }

  /** Resolves when what has been decoded holds a text. */
  async got(text: string): Promise<void> {
    await until(() => this.text.includes(text), JSON.stringify(text))
  }

  /** The decoded body, once the response is over. */
  async over(): Promise<string> {
    await until(() => this.complete !== undefined, 'the end of the response')
    return this.text
  }

  leave(): void {
    this.#request.destroy()
  }
}
