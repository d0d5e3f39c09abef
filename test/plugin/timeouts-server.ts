import { expect } from 'vitest'
import {
  workers,
  type CloseInfo,
  type HeadfirstOptions,
  type PortableProducer,
  type SseRouteOptions,
  type TimeLimit,
  type WorkersOptions,
} from '../../src/index.ts'
import { Flag, makeFlags, raise } from '../../src/testing/flags.ts'
import { get, type RawClient, type Received } from '../support/raw-client.ts'
import { Testbed } from '../support/testbed.ts'
import * as producers from './timeouts-producers.ts'

/** Short enough to strike soon. */
export const SHORT_MS = 40
/** Longer than any test takes. */
export const LONG_MS = 600_000
/** Longer than a thread on a busy machine is kept from sending. */
export const PATIENT_MS = 400

const NONE = { firstEventMs: 0, idleMs: 0, totalMs: 0 }

export class Server {
  readonly testbed: Testbed
  #routes = 0
  #warm = false

  constructor(testbed: Testbed) {
    this.testbed = testbed
  }

  static async make(options: Omit<HeadfirstOptions, 'onClose'>, pool: WorkersOptions = {}): Promise<Server> {
    const executors = { workers: workers({ threads: 1, niceIncrement: 0, ...pool }) }
    return new Server(await Testbed.make({ executors, maxBuffered: 2 ** 26, ...options }))
  }

  /** Adds a route; before the first client. */
  route<Input>(producer: PortableProducer<Input>, input: Input, sse: SseRouteOptions = {}): string {
    const path = `/${this.#routes++}`
    this.testbed.app.get(path, { sse }, async (_, reply) => reply.sse(producer as never, input as never))
    return path
  }

  /** A client that is connected. By the first one the threads have started: that takes longer than some limits. */
  async connect(): Promise<RawClient> {
    if (!this.#warm) {
      this.#warm = true
      const flags = makeFlags()
      raise(flags, Flag.GO)
      this.testbed.app.get('/warm', { sse: { timeouts: NONE, onClose: () => {} } }, async (_, reply) =>
        reply.sse(producers.late, { flags }),
      )
      await this.testbed.request('/warm')
      await this.testbed.idle()
    }
    return this.testbed.connect()
  }

  async request(path: string): Promise<Received> {
    const client = await this.connect()
    client.send(get(path))
    return client.response()
  }

  /** A client that has its head. */
  async open(path: string): Promise<RawClient> {
    const client = await this.connect()
    client.send(get(path))
    await client.head()
    return client
  }
}

export function expectStruck({ reason, error }: CloseInfo, timeout: TimeLimit, ms: number): void {
  expect({ reason, error }).toMatchObject({
    reason: 'timeout',
    error: { code: 'HF_ERR_STREAM_TIMEOUT', timeout },
  })
  expect((error as Error).message).toMatch(`The time limit ${timeout} has closed the event stream: `)
  expect((error as Error).message).toMatch(`${ms} ms`)
}
