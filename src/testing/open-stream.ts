import { request, type IncomingHttpHeaders, type IncomingMessage, type OutgoingHttpHeaders } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createParser, type EventSourceMessage } from 'eventsource-parser'
import { HF_ERR_OPTION_INVALID, HF_ERR_TEXT_TOO_LONG } from '../errors.ts'
import { checkOptions, type Rule } from '../runtime/option-rules.ts'
import { show } from '../sse/event.ts'

/** The part of a Fastify app that is needed to reach it. */
export interface ListeningApp {
  readonly server: { readonly listening: boolean; address(): AddressInfo | string | null }
  listen(options: { port: number; host: string }): Promise<string>
  readonly initialConfig?: { readonly http2?: boolean; readonly https?: unknown }
}

export interface OpenStreamOptions {
  /** Path and query. Default: that of the URL, or `/`. */
  path?: string
  /** Default `GET`, or `POST` where there is a body. */
  method?: string
  /** Sent beside, and instead of, `accept: text/event-stream` and `connection: close`. */
  headers?: OutgoingHttpHeaders
  /** A string or bytes are sent as they are, anything else as JSON. */
  body?: unknown
  /** Sent as `Last-Event-ID`, as a client does that reconnects. Not sent where it is `''` or undefined. */
  lastEventId?: string | undefined
  /** How much of the body is kept for `text()`, in characters (UTF-16 code units). Default 67108864; 0 to 536870888. */
  maxText?: number
}

/** An event as it was received, decoded by eventsource-parser. */
export interface ReceivedEvent {
  /** `message` where the server has given it no name. */
  readonly event: string
  /** Lines are separated by LF. */
  readonly data: string
  /** Absent where the event had none. */
  readonly id?: string
  /**
   * `data` read as JSON. Not enumerable, so that an event equals `{ event, data, id }`.
   *
   * @throws SyntaxError when it is none
   */
  // eslint-disable-next-line typescript/no-unnecessary-type-parameters -- only the caller knows what was sent
  json<T = unknown>(): T
}

const RULES: Readonly<Record<keyof OpenStreamOptions, Rule>> = {
  path: ['a path that begins with "/"', (value) => typeof value === 'string' && value.startsWith('/')],
  method: ['a method, as "GET"', (value) => typeof value === 'string' && value !== ''],
  headers: ['an object of headers', (value) => typeof value === 'object' && value !== null],
  body: ['a string, bytes or what JSON can say', (value) => !['function', 'symbol'].includes(typeof value)],
  lastEventId: ['a string', (value) => typeof value === 'string'],
  maxText: [
    'a whole number from 0 to 536870888',
    (value) => Number.isInteger(value) && (value as number) >= 0 && (value as number) <= MOST_TEXT,
  ],
}

/** The longest string of Node 20 (`buffer.constants.MAX_STRING_LENGTH`), in code units. */
const MOST_TEXT = 2 ** 29 - 24

const DEFAULT_MAX_TEXT = 2 ** 26

/** Apps that are about to listen for somebody already. */
const listening = new WeakMap<ListeningApp, Promise<string>>()

/**
 * Opens an event stream over a real socket, of its own. For tests.
 *
 * A response that is no event stream (a 404, a 503, a 204) is not an error: `status` and `headers` tell, there are no
 * events, and `text()` has the body.
 *
 * @example
 * const stream = await openStream(app, { path: '/report/7' })
 * assert.equal(stream.status, 200)
 * assert.deepEqual((await stream.next())?.json(), { id: '7', done: 0 })
 * await stream.close()
 *
 * @param target a Fastify app, which is made to listen on a free port of 127.0.0.1 unless it listens already; or an
 *   `http:` URL
 * @returns resolves when the head has come; rejects when none does
 * @throws HF_ERR_OPTION_UNKNOWN, HF_ERR_OPTION_INVALID
 */
export async function openStream(
  target: ListeningApp | string | URL,
  options: OpenStreamOptions = {},
): Promise<OpenedStream> {
  const {
    path,
    method,
    headers,
    body,
    lastEventId,
    maxText = DEFAULT_MAX_TEXT,
  } = checkOptions(options, RULES, 'openStream()')
  const place = await locate(target)
  const [type, bytes] = encodeBody(body)
  const outgoing = request({
    ...place,
    ...(path !== undefined && { path }),
    method: method ?? (bytes === undefined ? 'GET' : 'POST'),
    // A connection that waits for further requests would hold app.close() up.
    agent: false,
    headers: {
      accept: 'text/event-stream',
      connection: 'close',
      ...(type !== undefined && { 'content-type': type }),
      ...(bytes !== undefined && { 'content-length': bytes.length }),
      // HTTP carries bytes, which Node takes as Latin-1; the standard says that they are UTF-8 (9.2.4).
      ...(lastEventId !== undefined &&
        lastEventId !== '' && { 'last-event-id': Buffer.from(lastEventId).toString('latin1') }),
      ...headers,
    },
  })
  return new Promise((resolve, reject) => {
    outgoing.once('response', (response) => {
      // What breaks from here on is told by the response.
      outgoing.on('error', () => {})
      resolve(new OpenedStream(response, maxText))
    })
    outgoing.once('error', reject)
    outgoing.end(bytes)
  })
}

/** A response whose head has come. What comes is taken at once, whether or not somebody asks for it. */
export class OpenedStream {
  readonly #response: IncomingMessage
  readonly #maxText: number
  /** The body so far; undefined once it was more than is kept. */
  #pieces: string[] | undefined = []
  #length = 0
  readonly #events: ReceivedEvent[] = []
  readonly #waiting: ((event: ReceivedEvent | undefined) => void)[] = []
  #over = false
  #retryMs: number | undefined

  readonly status: number
  /** By lower-case name. */
  readonly headers: IncomingHttpHeaders
  /** The text of the comments so far, heartbeats among them. */
  readonly comments: string[] = []
  /**
   * Resolves when the response is over, on whichever side it ended; never rejects. `complete` is false where it was cut: by
   * the server, by the network, or by {@link close}.
   */
  readonly closed: Promise<{ complete: boolean }>

  constructor(response: IncomingMessage, maxText: number) {
    this.#response = response
    this.#maxText = maxText
    this.status = response.statusCode as number
    this.headers = response.headers
    const feed = this.#isEventStream() ? this.#parser() : undefined
    response.setEncoding('utf8')
    response.on('data', (text: string) => {
      // A stream may begin with a byte order mark, which is no part of its first field (HTML Living Standard, 9.2.5).
      feed?.(this.#length === 0 ? text.replace(/^\uFEFF/, '') : text)
      this.#keep(text)
    })
    // That it was cut is seen by `complete`.
    response.on('error', () => {})
    this.closed = new Promise((resolve) => {
      response.once('close', () => {
        this.#over = true
        for (const tell of this.#waiting.splice(0)) tell(undefined)
        resolve({ complete: response.complete })
      })
    })
  }

  /** What the server has last said in a `retry` field, in ms; undefined where it has said nothing. */
  get retryMs(): number | undefined {
    return this.#retryMs
  }

  /** The next event; undefined when the response is over and all its events have been asked for. */
  async next(): Promise<ReceivedEvent | undefined> {
    const event = this.#events.shift()
    if (event !== undefined || this.#over) return event
    return new Promise((resolve) => this.#waiting.push(resolve))
  }

  /** The events to come, as {@link next} gives them. Leaving the loop does not close the stream. */
  get events(): AsyncIterable<ReceivedEvent> {
    const next = async (): Promise<IteratorResult<ReceivedEvent, undefined>> => {
      const value = await this.next()
      return value === undefined ? { done: true, value } : { done: false, value }
    }
    return { [Symbol.asyncIterator]: () => ({ next }) }
  }

  /**
   * The whole body as it came, once the response is over.
   *
   * @throws HF_ERR_TEXT_TOO_LONG (rejects) when it was longer than `maxText`; the events are there all the same
   */
  async text(): Promise<string> {
    await this.closed
    if (this.#pieces === undefined) throw new HF_ERR_TEXT_TOO_LONG(this.#length, this.#maxText)
    return this.#pieces.join('')
  }

  /** Leaves, as a client does that closes its connection. Resolves when that is done. */
  async close(): Promise<void> {
    this.#response.destroy()
    await this.closed
  }

  #keep(text: string): void {
    this.#length += text.length
    if (this.#length > this.#maxText) this.#pieces = undefined
    else this.#pieces?.push(text)
  }

  #isEventStream(): boolean {
    // A client dispatches events of no other response (HTML Living Standard, 9.2.3).
    return this.status === 200 && /^text\/event-stream *(;|$)/i.test(this.headers['content-type'] ?? '')
  }

  #parser(): (text: string) => void {
    const parser = createParser({
      onEvent: (message) => {
        const event = received(message)
        const tell = this.#waiting.shift()
        if (tell === undefined) this.#events.push(event)
        else tell(event)
      },
      onComment: (text) => this.comments.push(text),
      onRetry: (retryMs) => (this.#retryMs = retryMs),
    })
    return (text) => parser.feed(text)
  }
}

function received({ event = 'message', data, id }: EventSourceMessage): ReceivedEvent {
  const fields = { event, data, ...(id !== undefined && { id }) }
  return Object.defineProperty(fields, 'json', { value: () => JSON.parse(data) as unknown }) as never
}

/** Where to send a request to, as `node:http` wants it. */
type Place = { host: string; port: number; path?: string } | { socketPath: string }

async function locate(target: ListeningApp | string | URL): Promise<Place> {
  if (typeof target === 'string' || target instanceof URL) {
    const url = URL.canParse(String(target)) ? new URL(target) : undefined
    if (url?.protocol === 'http:') {
      const { hostname, port, pathname, search } = url
      // node:http wants an IPv6 address without its brackets.
      const host = hostname.replaceAll(/^\[|\]$/g, '')
      return { host, port: Number(port || 80), path: pathname + search }
    }
  } else if (typeof (target as Partial<ListeningApp> | null | undefined)?.listen === 'function') {
    const { http2, https } = target.initialConfig ?? {}
    if (http2 !== true && https === undefined) return addressOf(target)
    const expected = 'a Fastify app of HTTP/1.1 without TLS'
    throw new HF_ERR_OPTION_INVALID(
      'target',
      'openStream()',
      expected,
      `one of ${https === undefined ? 'HTTP/2' : 'HTTPS'}`,
    )
  }
  throw new HF_ERR_OPTION_INVALID('target', 'openStream()', 'a Fastify app or an http: URL', show(target))
}

async function addressOf(app: ListeningApp): Promise<Place> {
  if (!app.server.listening) {
    const pending = listening.get(app) ?? app.listen({ port: 0, host: '127.0.0.1' })
    listening.set(app, pending)
    await pending
  }
  const address = app.server.address() as AddressInfo | string
  if (typeof address === 'string') return { socketPath: address }
  const { address: host, port } = address
  const anywhere: Record<string, string> = { '0.0.0.0': '127.0.0.1', '::': '::1' }
  return { host: anywhere[host] ?? host, port }
}

function encodeBody(body: unknown): [type: string | undefined, bytes: Buffer | undefined] {
  if (body === undefined) return [undefined, undefined]
  if (typeof body === 'string') return ['text/plain; charset=utf-8', Buffer.from(body)]
  if (body instanceof Uint8Array) return ['application/octet-stream', Buffer.from(body)]
  return ['application/json', Buffer.from(JSON.stringify(body))]
}
