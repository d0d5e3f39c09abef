/** Two threads and the server's own, with streams on each: what one thread overwrites must not be felt elsewhere. */
import type { Worker } from 'node:worker_threads'
import { expect, onTestFinished } from 'vitest'
import type { WorkersOptions } from '../../src/index.ts'
import { Flag, makeFlags, raise, type Flags, until } from '../../src/testing/flags.ts'
import { PoolTestbed } from '../support/pool-testbed.ts'
import * as producers from './scribbled-threads-producers.ts'
import { ticking } from './scribbled-threads-producers.ts'
import type { DecodingClient } from '../support/decoding-client.ts'

/** What the threads that start share with the server, by their number. */
export interface Memory {
  ring: Int32Array<SharedArrayBuffer>
  credit: Int32Array<SharedArrayBuffer>
}

interface Neighbour {
  client: DecodingClient
  tag: string
  thread: string
}

export class Field {
  readonly testbed: PoolTestbed
  readonly memories: Map<string, Memory>
  #flags: Flags = makeFlags()
  neighbours: Neighbour[] = []
  readonly #stopWatching: () => void

  private constructor(testbed: PoolTestbed, memories: Map<string, Memory>, stopWatching: () => void) {
    this.testbed = testbed
    this.memories = memories
    this.#stopWatching = stopWatching
  }

  static async make(options: WorkersOptions = {}): Promise<Field> {
    const memories = new Map<string, Memory>()
    const onWorker = (worker: Worker): void => {
      worker.on('message', (message: { ring?: unknown; credit?: unknown } | null) => {
        if (!(message?.ring instanceof SharedArrayBuffer)) return
        memories.set(String(worker.threadId), {
          ring: new Int32Array(message.ring),
          credit: new Int32Array(message.credit as SharedArrayBuffer),
        })
      })
    }
    process.on('worker', onWorker)
    const stopWatching = (): void => void process.removeListener('worker', onWorker)
    onTestFinished(stopWatching)
    const { scribbling, impersonating, neverDone, cutShort, swallowing, silent } = producers
    const testbed = await PoolTestbed.make({
      producers: { ticking, scribbling, impersonating, neverDone, cutShort, swallowing, silent },
      workers: { threads: 2, streamsPerThread: 10, graceMs: 200, ...options },
      hooks(app) {
        app.get('/inline', { sse: { executor: 'inline' } }, async (_, reply) =>
          reply.sse(ticking, field.input('inline')),
        )
      },
    })
    const field = new Field(testbed, memories, stopWatching)
    return field
  }

  /** For a test that makes many. */
  async close(): Promise<void> {
    this.#stopWatching()
    await this.testbed.app.close()
  }

  input(tag: string): { tag: string; flags: Flags } {
    return { tag, flags: this.#flags }
  }

  /** Streams that tick, on every thread and on the server's own. */
  async neighbourhood(): Promise<void> {
    this.#flags = makeFlags()
    this.neighbours = []
    await this.#open('inline', 'inline')
    // The first thread that is ready gets all.
    for (let n = 0; n < 4 || this.#threads < 3; n++) await this.#open('ticking', `neighbour ${n}`)
  }

  get #threads(): number {
    return new Set(this.neighbours.map(({ thread }) => thread)).size
  }

  async #open(producer: string, tag: string): Promise<void> {
    const client = await this.testbed.open(producer, this.input(tag))
    this.neighbours.push({ client, tag, thread: await threadOf(client) })
  }

  /** Lets all neighbours end. */
  letGo(): void {
    raise(this.#flags, Flag.GO)
  }
}

/** Neighbours that are not on this thread have got everything, and nothing else. */
export async function expectUnharmed(field: Field, thread: string): Promise<void> {
  field.letGo()
  const others = field.neighbours.filter((neighbour) => neighbour.thread !== thread)
  expect(others.length).toBeGreaterThanOrEqual(2)
  for (const { client, tag, thread: home } of others) {
    const body = await client.over()
    const numbers = client.events.length - 2
    const events = [`on ${home}`, ...Array.from({ length: numbers }, (_, n) => String(n)), 'done']
    expect(body).toBe(events.map((text) => `data: ${tag} ${text}\n\n`).join(''))
    expect(client.complete).toBe(true)
    if (tag !== 'inline') expect(await field.testbed.reason(client)).toBe('ended')
  }
}

/** Neighbours on this thread were lost, once each, with what they had got before. */
export async function expectLost(field: Field, thread: string): Promise<void> {
  const lost = field.neighbours.filter((neighbour) => neighbour.thread === thread)
  expect(lost.length).toBeGreaterThanOrEqual(1)
  for (const { client, tag } of lost) {
    await client.over()
    expect(await field.testbed.reason(client)).toBe('lost')
    expect(client.events.every((text) => text.startsWith(`${tag} `))).toBe(true)
  }
}

/** Nothing counts any more, both threads are there, and new streams are served. */
export async function expectWhole(field: Field): Promise<void> {
  await field.testbed.idle()
  for (let n = 0; n < 4; n++) await field.testbed.serves()
  await until(() => field.testbed.pool.threads === 2, 'both threads')
  const { routes } = field.testbed.app.sse.stats()
  for (const [name, { opened, closed }] of Object.entries(routes)) {
    // Each stream was closed once.
    expect([name, Object.values(closed).reduce((sum, each) => sum + each, 0)]).toEqual([name, opened])
  }
}

async function threadOf(client: DecodingClient): Promise<string> {
  await client.got('\n\n')
  return / on (\d+)/.exec(client.text)?.[1] as string
}

/** A stream whose thread is about to be overwritten. */
export async function victim(
  field: Field,
  producer: string,
  input: object = {},
): Promise<{ client: DecodingClient; thread: string; go: () => void }> {
  const flags = makeFlags()
  const client = await field.testbed.open(producer, { tag: 'victim', flags, ...input })
  const thread = await threadOf(client)
  return { client, thread, go: () => raise(flags, Flag.GO) }
}
