/** `openStream()`: a stream of an app, as its client sees it. For tests. */
import { request, type OutgoingHttpHeaders } from 'node:http'
import { checkOptions, type Rule } from '../runtime/option-rules.ts'
import { OpenedStream } from './opened-stream.ts'
import { locate, type ListeningApp } from './target.ts'

/** How a stream is opened. */
export interface OpenStreamOptions {
  /**
   * Path and query, beginning with `/`.
   *
   * @default that of the URL, or '/'
   */
  path?: string
  /**
   * The request's method.
   *
   * @default 'GET', or 'POST' where there is a body
   */
  method?: string
  /** Sent beside `accept: text/event-stream` and `connection: close`, or instead of one of the same name (lower case). */
  headers?: OutgoingHttpHeaders
  /** The request's body. A string or bytes are sent as they are, anything else as JSON, each with its `content-type`. */
  body?: unknown
  /** Sent as `Last-Event-ID`, as a client does that reconnects. Not sent where it is `''` or undefined. */
  lastEventId?: string | undefined
  /**
   * How much of the response's body is kept for `text()`, in characters (UTF-16 code units). A whole number from 0 to
   * 536870888.
   *
   * @default 67108864
   */
  maxText?: number
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

/**
 * Opens an event stream over a real socket, of its own. For tests.
 *
 * A response that is no event stream (a 404, a 503, a 204) is not an error: `status` and `headers` are those of the
 * response, there are no events, and `text()` has the body.
 *
 * @example
 * const stream = await openStream(app, { path: '/report/7' })
 * assert.equal(stream.status, 200)
 * assert.deepEqual((await stream.next())?.json(), { id: '7', done: 0 })
 * await stream.close()
 *
 * @param target a Fastify app, which is made to listen on a free port of 127.0.0.1 unless it listens already; or an
 *   `http:` URL
 * @returns resolves when the head has come
 * @throws (rejects) HF_ERR_OPTION_UNKNOWN, HF_ERR_OPTION_INVALID; the error of the connection (`ECONNREFUSED`,
 *   `ECONNRESET`) where no head comes
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
      // HTTP carries bytes, which Node takes as Latin-1; by the standard they are UTF-8 (HTML Living Standard, 9.2.4).
      ...(lastEventId !== undefined &&
        lastEventId !== '' && { 'last-event-id': Buffer.from(lastEventId).toString('latin1') }),
      ...headers,
    },
  })
  return new Promise((resolve, reject) => {
    outgoing.once('response', (response) => {
      // What breaks from here on is an error of the response.
      outgoing.on('error', () => {})
      resolve(new OpenedStream(response, maxText))
    })
    outgoing.once('error', reject)
    outgoing.end(bytes)
  })
}

function encodeBody(body: unknown): [type: string | undefined, bytes: Buffer | undefined] {
  if (body === undefined) return [undefined, undefined]
  if (typeof body === 'string') return ['text/plain; charset=utf-8', Buffer.from(body)]
  if (body instanceof Uint8Array) return ['application/octet-stream', Buffer.from(body)]
  return ['application/json', Buffer.from(JSON.stringify(body))]
}
