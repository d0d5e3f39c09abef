import { createParser } from 'eventsource-parser'
import { get, type RawClient } from '../support/raw-client.ts'
import { Testbed } from '../support/testbed.ts'
import type { History, FollowOptions, RouteOptions } from '../../src/index.ts'

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
  /** How many chunks of this connection have been taken, and what came of an event that is not whole yet. */
  #taken = 0
  #rest = ''

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
    this.#taken = 0
    this.#rest = ''
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
    const chunks = this.#client?.responses[0]?.chunks ?? []
    // Only what is new: the whole body may be long, and would be copied each time.
    const news = this.#rest + chunks.slice(this.#taken).join('')
    this.#taken = chunks.length
    const end = news.lastIndexOf('\n\n') + 2
    const text = news.slice(0, end < 2 ? 0 : end)
    this.#rest = news.slice(text.length)
    if (text === '') return
    const parser = createParser({
      onEvent: ({ event = 'message', data, id }) => this.got.push({ event, data, id }),
    })
    parser.feed(text)
    // The parser says nothing of an event that has no data; a browser takes its id all the same (9.2.6).
    for (const [, id = ''] of text.matchAll(/^id: (.*)$/gm)) this.lastEventId = id
  }
}

/** A server on which `/:key` follows that key. */
export async function serve(history: History, options: FollowOptions & RouteOptions = {}): Promise<Testbed> {
  const { from, after, ...route } = options
  const follow = { ...(from !== undefined && { from }), ...(after !== undefined && { after }) }
  const testbed = await Testbed.make()
  testbed.app.get<{ Params: { key: string } }>('/:key', { sse: route }, async (request, reply) =>
    reply.sse(history.follow(request.params.key, follow)),
  )
  return testbed
}

/** A follower of `/key` that has its place. */
export async function join(testbed: Testbed, lastEventId?: string, key = 'key'): Promise<Follower> {
  const follower = new Follower(testbed, `/${key}`)
  follower.lastEventId = lastEventId
  await follower.connect()
  await follower.client.head()
  return follower
}

export const datas = ({ got }: Follower): string[] => got.map(({ data }) => data)

/** Resolves when so many events have come. */
export const count = async (follower: Follower, events: number): Promise<void> =>
  follower.until(() => follower.got.length >= events, `${events} events`)
