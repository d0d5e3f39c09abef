import { createParser } from 'eventsource-parser'
import { get, type RawClient } from '../plugin/client.ts'
import type { Testbed } from '../plugin/testbed.ts'

export interface Got {
  event: string
  data: string
  id: string | undefined
}

/** A client as a browser's EventSource is one: cut, it comes back with the last id that it has seen. */
export class Follower {
  readonly #testbed: Testbed
  readonly #path: string
  #client: RawClient | undefined
  /** How much of the body of this connection has been decoded. */
  #decoded = 0

  /** Events in the order in which they came, on however many connections. */
  readonly got: Got[] = []
  /** Of the last event that came whole, shown or not. */
  lastEventId: string | undefined

  constructor(testbed: Testbed, path: string) {
    this.#testbed = testbed
    this.#path = path
  }

  /** The connection, once there is one. */
  get client(): RawClient {
    return this.#client as RawClient
  }

  /** Resolves when the request was sent. */
  async connect(): Promise<void> {
    this.#client = await this.#testbed.connect()
    this.#decoded = 0
    const id = this.lastEventId
    this.#client.send(get(this.#path, id === undefined ? {} : { 'last-event-id': id }))
  }

  /** Breaks the connection; what has come until now is kept, but for half an event. */
  cut(): void {
    this.take()
    this.client.destroy()
    this.#client = undefined
  }

  get connected(): boolean {
    return this.#client !== undefined
  }

  /** Resolves when this holds of what came. */
  async until(holds: () => boolean, what: string): Promise<void> {
    await this.client.until(() => {
      this.take()
      return holds()
    }, what)
  }

  /** Resolves when the client has an id, so that it would come back to the same place. */
  async placed(): Promise<void> {
    await this.until(() => this.lastEventId !== undefined, 'an id')
  }

  /** Takes what has come whole. */
  take(): void {
    const body = this.#client?.responses[0]?.body ?? ''
    const end = body.lastIndexOf('\n\n') + 2
    if (end <= this.#decoded || end < 2) return
    const text = body.slice(this.#decoded, end)
    this.#decoded = end
    const parser = createParser({
      onEvent: ({ event = 'message', data, id }) => this.got.push({ event, data, id }),
    })
    parser.feed(text)
    // The parser says nothing of an event that has no data; a browser takes its id all the same (9.2.6).
    for (const [, id = ''] of text.matchAll(/^id: (.*)$/gm)) this.lastEventId = id
  }
}
