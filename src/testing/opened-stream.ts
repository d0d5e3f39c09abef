/** A stream that a test has opened, and the events that it has received. */
import type { IncomingHttpHeaders, IncomingMessage } from 'node:http'
import { createParser, type EventSourceMessage } from 'eventsource-parser'
import { HF_ERR_TEXT_TOO_LONG } from '../errors.ts'

/** An event as it was received, decoded by eventsource-parser. */
export interface ReceivedEvent {
  /** Its name: `message` where the server has given none. */
  readonly event: string
  /** Its data. Lines are separated by LF. */
  readonly data: string
  /** Its id; absent where the event had none. */
  readonly id?: string
  /**
   * `data` read as JSON. Not enumerable, so that an event equals `{ event, data, id }`.
   *
   * @throws SyntaxError where it is none
   */
  // eslint-disable-next-line typescript/no-unnecessary-type-parameters -- a cast for the caller, who has the server's types
  json<T = unknown>(): T
}

/**
 * A response whose head has come. Its body is read at once, whether or not {@link OpenedStream.next} is called.
 *
 * @example
 * const stream = await openStream(app, { path: '/report/7' })
 * for await (const event of stream.events) console.log(event.event, event.data)
 * const { complete } = await stream.closed
 */
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

  /** The response's status code. */
  readonly status: number
  /** The response's header fields, by lower-case name. */
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
    // `complete` is false then.
    response.on('error', () => {})
    this.closed = new Promise((resolve) => {
      response.once('close', () => {
        this.#over = true
        for (const tell of this.#waiting.splice(0)) tell(undefined)
        resolve({ complete: response.complete })
      })
    })
  }

  /** The server's last `retry` field, in ms; undefined before the first. */
  get retryMs(): number | undefined {
    return this.#retryMs
  }

  /** The next event; undefined when the response is over and all its events have been given. */
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
   * The whole body as it came, decoded as UTF-8, once the response is over.
   *
   * @throws (rejects) HF_ERR_TEXT_TOO_LONG where it is longer than `maxText`; the events are there all the same
   */
  async text(): Promise<string> {
    await this.closed
    if (this.#pieces === undefined) throw new HF_ERR_TEXT_TOO_LONG(this.#length, this.#maxText)
    return this.#pieces.join('')
  }

  /** Closes the connection, as a client does that leaves. Resolves when that is done. */
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
