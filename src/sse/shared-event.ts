import { encodeEvent, readFields, type EventFields, type EventInput, type Serializer } from './event.ts'

/** Unlike `instanceof`, it never throws: a producer may send a Proxy that was revoked. */
export let isShared: (event: unknown) => event is SharedEvent

/** The chunk of an event on HTTP/1.1 (RFC 9112, 7.1), one character for each byte. Made when it is first read. */
export let chunkOf: (event: SharedEvent) => string

/**
 * An event for many streams. It is checked and encoded once, when it is made, and framed once, for the first stream on
 * HTTP/1.1 that sends it. It is an event like any other: its fields can be read, and `send()`, generators and
 * histories take it. It is frozen.
 *
 * @example
 * const tick = new SharedEvent({ event: 'tick', data: { now: Date.now() } })
 * for (const stream of streams) stream.send(tick)
 */
export class SharedEvent implements EventFields {
  /** Serialized. */
  readonly data: string | undefined
  readonly event: string | undefined
  readonly id: string | number | undefined
  readonly retry: number | undefined
  readonly #text: string
  readonly #bytes: number
  #chunk: string | undefined

  /**
   * @param serializer turns `data` that is not a string into one. Default: `JSON.stringify`. Later changes of `data`
   *   have no effect
   * @throws HF_ERR_EVENT_INVALID, HF_ERR_EVENT_FIELD, HF_ERR_EVENT_DATA
   */
  constructor(event: EventInput, serializer: Serializer = JSON.stringify) {
    let serialized: string | undefined
    const fields = readFields(event)
    this.#text = encodeEvent(fields, (data) => (serialized = serializer(data)))
    this.#bytes = Buffer.byteLength(this.#text)
    const { data, event: name, id, retry } = fields
    this.data = serialized ?? (data as string | undefined)
    this.event = name
    this.id = id
    this.retry = retry
    Object.freeze(this)
  }

  /** Its text, up to the empty line that ends it. */
  get text(): string {
    return this.#text
  }

  /** Length of its text in UTF-8. */
  get bytes(): number {
    return this.#bytes
  }

  static {
    isShared = (event): event is SharedEvent => typeof event === 'object' && event !== null && #text in event
    chunkOf = (event) => (event.#chunk ??= event.#frame())
  }

  #frame(): string {
    const text = Buffer.from(`${this.#bytes.toString(16)}\r\n${this.#text}\r\n`)
    // Also makes one piece of it: joined text would be put together again for each stream.
    return text.toString('latin1')
  }
}
