/**
 * A process of its own: opens and closes streams in every way on every executor, and prints as JSON what is alive
 * before and after. Run with --expose-gc.
 */
import { once } from 'node:events'
import { ServerResponse } from 'node:http'
import { connect, type AddressInfo, type Socket } from 'node:net'
import { queryObjects } from 'node:v8'
import Fastify from 'fastify'
import headfirst, { workers, type EventStream as Stream } from '../../src/index.ts'
import { Connection } from '../../src/runtime/connection.ts'
import { EventStream } from '../../src/sse/stream.ts'
import { makeFlags, until } from '../../src/testing/flags.ts'
import { EXECUTORS } from './executors.ts'
import * as failing from './failing-producers.ts'
import * as producers from './producers.ts'
import { makeReason } from './producers.ts'

const [cycles = '0'] = process.argv.slice(2)

/** Streams that the pool can run at a time. */
const PLACES = 8
/** Clients at a time. */
const LANES = PLACES

export interface Counted {
  objects: Record<string, number>
  listeners: number
  resources: Record<string, number>
  /** Streams that count somewhere. */
  counted: number
}

export interface Report {
  /** What was alive before, when everything had been done often enough to be warm. */
  before: Counted
  /** What was alive after the cycles of each executor. */
  after: Record<string, Counted>
  /** How often each way was gone, on each executor. */
  ways: Record<string, Record<string, number>>
  /** Streams that had their close told, by reason. */
  reasons: Record<string, number>
  opened: number
  /** Streams alive on each thread of the pool that was asked, that of the asking included. */
  census: number[]
  /** Streams that run at a time on the pool in the end. */
  places: number
}

const reasons: Record<string, number> = {}
const app = Fastify({ logger: false })
await app.register(headfirst, {
  executors: {
    workers: workers({ threads: 2, streamsPerThread: PLACES / 2, niceIncrement: 0, maxQueue: 1_000 }),
  },
  maxBuffered: 2 ** 28,
  onClose: ({ reason }) => void (reasons[reason] = (reasons[reason] ?? 0) + 1),
  onOpen: (stream: Stream, request) => {
    if (request.url.endsWith('/closes')) stream.close()
  },
})
const held: Record<string, () => void> = {}
const hold = async (key: string): Promise<void> => new Promise((resolve) => (held[key] = resolve))
app.addHook('onSend', async ({ url }, _reply, payload) => {
  if (url.endsWith('/refused') && typeof payload !== 'string') throw new Error('not this one')
  if (url.includes('/held/')) await hold(url)
  return payload
})
for (const executor of EXECUTORS) {
  app.get(`/${executor}/count`, { sse: { executor } }, async (request, reply) => {
    request.signal.addEventListener('abort', () => {})
    return reply.sse(producers.count, { events: 2 })
  })
  app.get(`/${executor}/fails`, { sse: { executor } }, async (_, reply) => reply.sse(failing.later))
  app.get(`/${executor}/closes`, { sse: { executor } }, async (_, reply) =>
    reply.sse(producers.count, { events: 1 }),
  )
  app.get(`/${executor}/refused`, { sse: { executor } }, async (_, reply) =>
    reply.sse(producers.count, { events: 1 }),
  )
  app.get(`/${executor}/empty`, { sse: { executor } }, async (_, reply) =>
    reply.code(204).sse(producers.count, { events: 1 }),
  )
  app.get(`/${executor}/stays`, { sse: { executor } }, async (request, reply) => {
    request.signal.addEventListener('abort', () => {})
    return reply.sse(producers.stays, { flags: makeFlags() })
  })
  app.get(`/${executor}/generator`, { sse: { executor } }, async (_, reply) =>
    reply.sse(producers.generator, { flags: makeFlags(), reason: makeReason() }),
  )
  app.get(`/${executor}/promise`, { sse: { executor } }, async (_, reply) =>
    reply.sse(producers.promise, { flags: makeFlags(), reason: makeReason() }),
  )
  app.get(`/${executor}/held/:n`, { sse: { executor } }, async (_, reply) =>
    reply.sse(producers.count, { events: 1 }),
  )
  app.get(`/${executor}/late/:n`, { sse: { executor } }, async ({ url }, reply) => {
    await hold(url)
    return reply.sse(producers.count, { events: 1 })
  })
  app.get(`/${executor}/census`, { sse: { executor } }, async (_, reply) => reply.sse(producers.census))
  app.get(`/${executor}/all`, { sse: { executor } }, async (_, reply) =>
    reply.sse(producers.stays, { flags: makeFlags() }),
  )
}
await app.listen({ port: 0, host: '127.0.0.1' })
const { port } = app.server.address() as AddressInfo

/** A client that sends one request after another on one connection, or leaves. */
class Lane {
  #socket: Socket | undefined
  #text = ''
  #wake: (() => void) | undefined

  async request(path: string, method = 'GET'): Promise<string> {
    await this.#send(path, method)
    return this.#until(() => isComplete(this.#text, method))
  }

  /** Leaves in the middle of a response. */
  async leave(path: string): Promise<void> {
    await this.stay(path)
    await this.close()
  }

  /** Has its head, and stays. */
  async stay(path: string): Promise<void> {
    await this.#send(path, 'GET')
    await this.#until(() => this.#text.includes('data: 0'))
  }

  /** Leaves before the head, while something on the server holds it back. */
  async leaveHeld(path: string): Promise<void> {
    await this.#send(path, 'GET')
    await until(() => held[path] !== undefined, path)
    await this.close()
    held[path]?.()
    delete held[path]
  }

  async close(): Promise<void> {
    const socket = this.#socket
    if (socket === undefined || socket.destroyed) return
    this.#socket = undefined
    socket.destroy()
    await once(socket, 'close')
  }

  async #send(path: string, method: string): Promise<void> {
    if (this.#socket === undefined || this.#socket.destroyed) {
      this.#socket = connect({ port, host: '127.0.0.1', noDelay: true })
      this.#socket.setEncoding('latin1').on('data', (text: string) => {
        this.#text += text
        this.#wake?.()
      })
      await once(this.#socket, 'connect')
    }
    this.#text = ''
    this.#socket.write(`${method} ${path} HTTP/1.1\r\nhost: localhost\r\n\r\n`)
  }

  async #until(holds: () => boolean): Promise<string> {
    while (!holds()) await new Promise<void>((resolve) => (this.#wake = resolve))
    return this.#text
  }
}

function isComplete(text: string, method: string): boolean {
  const end = text.indexOf('\r\n\r\n')
  if (end === -1) return false
  if (method === 'HEAD' || text.startsWith('HTTP/1.1 204')) return true
  const [, length] = /^content-length: (\d+)/im.exec(text) ?? []
  return length === undefined ? text.endsWith('\r\n0\r\n\r\n') : text.length === end + 4 + Number(length)
}

let turn = 0
const ways: [name: string, go: (lane: Lane, at: string) => Promise<unknown>][] = [
  ['ends', async (lane, at) => lane.request(`${at}/count`)],
  ['fails', async (lane, at) => lane.request(`${at}/fails`)],
  ['closes in onOpen', async (lane, at) => lane.request(`${at}/closes`)],
  ['HEAD', async (lane, at) => lane.request(`${at}/count`, 'HEAD')],
  ['204', async (lane, at) => lane.request(`${at}/empty`)],
  ['onSend throws', async (lane, at) => lane.request(`${at}/refused`)],
  ['leaves a promise', async (lane, at) => lane.leave(`${at}/promise`)],
  ['leaves one that looks', async (lane, at) => lane.leave(`${at}/stays`)],
  ['leaves a generator', async (lane, at) => lane.leave(`${at}/generator`)],
  ['leaves during onSend', async (lane, at) => lane.leaveHeld(`${at}/held/${turn++}`)],
  ['leaves before reply.sse()', async (lane, at) => lane.leaveHeld(`${at}/late/${turn++}`)],
]

/** Runs so many cycles side by side, and answers how often each way was gone. */
async function run(executor: string, times: number): Promise<Record<string, number>> {
  const gone: Record<string, number> = {}
  let next = 0
  const lanes = Array.from({ length: LANES }, () => new Lane())
  await Promise.all(
    lanes.map(async (lane) => {
      while (next < times) {
        const [name, go] = ways[next++ % ways.length] as (typeof ways)[number]
        await go(lane, `/${executor}`)
        gone[name] = (gone[name] ?? 0) + 1
      }
      await lane.close()
    }),
  )
  return gone
}

function counted(): number {
  const { executors, routes } = app.sse.stats()
  const loads = Object.values(executors).map(({ running, waiting }) => running + waiting)
  const open = Object.values(routes).map((route) => route.open)
  return [...loads, ...open].reduce((sum, value) => sum + value, 0)
}

/** What is alive when nothing goes on. */
async function count(): Promise<Counted> {
  await until(() => counted() === 0, 'all streams to be over')
  let connections = -1
  await until(() => {
    app.server.getConnections((_, value) => (connections = value))
    return connections === 0
  }, 'all connections to be closed')
  for (let n = 0; n < 10; n++) await new Promise((resolve) => setImmediate(resolve))
  globalThis.gc?.()
  const resources: Record<string, number> = {}
  for (const type of process.getActiveResourcesInfo()) resources[type] = (resources[type] ?? 0) + 1
  const classes = { EventStream, Connection, ServerResponse, AbortSignal, Function }
  return {
    objects: Object.fromEntries(
      Object.entries(classes).map(([name, ctor]) => [name, queryObjects(ctor as never, { format: 'count' })]),
    ),
    listeners: app.server.eventNames().reduce((sum, name) => sum + app.server.listenerCount(name), 0),
    resources,
    counted: counted(),
  }
}

/** Opens as many streams as the pool has places, and answers how many run at a time. */
async function fill(): Promise<number> {
  const lanes = Array.from({ length: PLACES }, () => new Lane())
  await Promise.all(lanes.map(async (lane) => lane.stay('/workers/stays')))
  const { running = 0 } = app.sse.stats().executors['workers'] ?? {}
  await Promise.all(lanes.map(async (lane) => lane.close()))
  return running
}

for (const executor of EXECUTORS) await run(executor, ways.length * 20)
const report: Report = {
  before: await count(),
  after: {},
  ways: {},
  reasons,
  opened: 0,
  census: [],
  places: 0,
}
for (const executor of EXECUTORS) {
  report.ways[executor] = await run(executor, Number(cycles))
  report.after[executor] = await count()
}
for (let n = 0; n < 2; n++) {
  const lane = new Lane()
  const body = await lane.request('/workers/census')
  report.census.push(Number(/data: (\d+)/.exec(body)?.[1]))
  await lane.close()
}
report.places = await fill()
await until(() => counted() === 0, 'all streams to be over')
report.opened = Object.values(app.sse.stats().routes).reduce((sum, route) => sum + route.opened, 0)
await app.close()
process.stdout.write(JSON.stringify(report))
