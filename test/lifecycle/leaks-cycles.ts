/** One file, since it is one process: all of its servers share the heap that is looked at.
 *
 * Opens and closes streams on the executors of its first argument, in every way and for every reason, and prints as JSON
 * what is alive before, meanwhile and after. Run with --expose-gc:
 *
 *     node --import ./test/typescript-loader.js --expose-gc test/lifecycle/leaks-cycles.ts inline,workers 1000 1
 *
 * The arguments: executors; cycles of each executor and reason (a tenth for `lost`, since each hundred costs a thread);
 * into how many parts these are divided, after each of which is looked at what is alive; reasons, if not all.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer, type AddressInfo, type NetConnectOpts, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import Fastify, { type FastifyInstance } from 'fastify'
import headfirst, {
  workers,
  type CloseReason,
  type EventStream as Stream,
  type WorkersOptions,
} from '../../src/index.ts'
import { makeFlags, until } from '../../src/testing/flags.ts'
import type { EXECUTORS } from '../support/executors.ts'
import * as failing from '../support/producers/failing-sources.ts'
import { Lane } from './leaks-lane.ts'
import { living, livingObjects, type Living } from './leaks-living.ts'
import * as passing from './leaks-producers.ts'
import type { ThreadCount } from './leaks-producers.ts'
import * as endless from '../support/producers/endless.ts'
import * as dying from '../support/producers/dying.ts'
import * as plain from '../support/producers/plain.ts'
import { makeReason } from '../support/producers/flagged.ts'

type ExecutorName = (typeof EXECUTORS)[number]

/** Why streams close; `none` are those that never open. */
export type Reason = CloseReason | 'none'

/** What is alive, and where streams still count. */
export interface Look extends Living {
  /** Cycles so far. */
  cycles: number
  /** Streams that count somewhere. */
  counted: number
  /** Listeners to the server. */
  listeners: number
  /** Heap and streams of the pool's threads, without those streams that tell it. */
  threadHeapBytes: number
  threadStreams: number
}

/** One executor and one reason. */
export interface Cell {
  executor: ExecutorName
  reason: Reason
  cycles: number
  /** Threads that died for it. */
  killed: number
  seconds: number
  /** How often each way was gone. */
  ways: Record<string, number>
  /** Closes that were told, by reason. */
  told: Partial<Record<CloseReason, number>>
  /** Where there are parts, before the first; after each, the last of them after all. */
  looks: Look[]
}

type Objects = Record<string, number>

export interface Report {
  /** When everything had been done often enough to be warm. */
  before: Look
  /** By class. */
  objectsBefore: Objects
  cells: Cell[]
  objectsAfter: Objects
  /** Streams that run at a time on the pool in the end: its places. */
  places: number
}

const [names = '', cycles = '0', parts = '1', only] = process.argv.slice(2)
const executors = names.split(',') as ExecutorName[]

/** Streams that the pool can run at a time, and clients. */
export const PLACES = 32
const THREADS = 2
/** Streams that die with one thread, that which kills it included. */
const DIE_TOGETHER = 100
/** Streams that one shutdown ends. */
const SHUT_TOGETHER = 500
/** Short, since 100,000 have to wait for it, but not so short that no event comes before. */
const LIMIT_MS = 4

/** Streams of the looking, which are no cycles. */
const ASIDE = new Set(['/counts', '/stays', '/ready'])

const told: Partial<Record<CloseReason, number>> = {}
/** Who waits for something on the server, by URL. */
const held: Record<string, () => void> = {}
const over: Record<string, () => void> = {}
const hold = async (key: string): Promise<void> => new Promise((resolve) => (held[key] = resolve))

async function serve(pool: WorkersOptions): Promise<FastifyInstance> {
  const app = Fastify({ logger: false, forceCloseConnections: 'idle' })
  await app.register(headfirst, {
    executors: { workers: workers({ niceIncrement: 0, ...pool }) },
    maxBuffered: 2 ** 28,
    onClose: ({ reason }, { url }) => {
      if (ASIDE.has(url)) return
      told[reason] = (told[reason] ?? 0) + 1
      over[url]?.()
      delete over[url]
    },
    onOpen: (stream: Stream, request) => {
      if (request.url.endsWith('/closes')) stream.close()
    },
  })
  return app
}

const app = await serve({ threads: THREADS, streamsPerThread: PLACES / THREADS, maxQueue: 1_000 })
app.addHook('onSend', async ({ url }, _reply, payload) => {
  if (url.endsWith('/refused') && typeof payload !== 'string') throw new Error('not this one')
  if (url.includes('/held/')) await hold(url)
  return payload
})
for (const executor of executors) {
  const sse = { executor }
  app.get(`/${executor}/count`, { sse }, async (request, reply) => {
    request.signal.addEventListener('abort', () => {})
    return reply.sse(plain.count, { events: 2 })
  })
  app.get(`/${executor}/fails`, { sse }, async (_, reply) => reply.sse(failing.later))
  app.get(`/${executor}/throws`, { sse }, async (_, reply) => reply.sse(failing.atOnce))
  for (const one of ['closes', 'refused']) {
    app.get(`/${executor}/${one}`, { sse }, async (_, reply) => reply.sse(plain.count, { events: 1 }))
  }
  app.get(`/${executor}/empty`, { sse }, async (_, reply) => reply.code(204).sse(plain.count, { events: 1 }))
  app.get(`/${executor}/stays`, { sse }, async (request, reply) => {
    request.signal.addEventListener('abort', () => {})
    return reply.sse(endless.looksOn, { flags: makeFlags() })
  })
  app.get(`/${executor}/generator`, { sse }, async (_, reply) => reply.sse(passing.pours))
  app.get(`/${executor}/promise`, { sse }, async (_, reply) =>
    reply.sse(endless.promise, { flags: makeFlags(), reason: makeReason() }),
  )
  app.get(`/${executor}/held/:n`, { sse }, async (_, reply) => reply.sse(plain.count, { events: 1 }))
  app.get(`/${executor}/late/:n`, { sse }, async ({ url }, reply) => {
    await hold(url)
    return reply.sse(plain.count, { events: 1 })
  })
  for (const [limit, producer] of [
    ['totalMs', endless.waits],
    ['idleMs', endless.waits],
    ['firstEventMs', endless.silent],
  ] as const) {
    const limited = { executor, timeouts: { [limit]: LIMIT_MS } }
    app.get(`/${executor}/${limit}`, { sse: limited }, async (_, reply) => reply.sse(producer))
  }
  const bounded = { executor, highWaterMark: 1_024, maxBuffered: 1_024 }
  app.get(`/${executor}/floods/:n`, { sse: bounded }, async (_, reply) => reply.sse(passing.floods))
}
app.get('/counts', { sse: { executor: 'workers' } }, async (_, reply) => reply.sse(passing.counts))
app.get('/stays', { sse: { executor: 'workers' } }, async (_, reply) =>
  reply.sse(endless.looksOn, { flags: makeFlags() }),
)

await app.listen({ port: 0, host: '127.0.0.1' })
const tcp: NetConnectOpts = {
  port: (app.server.address() as AddressInfo).port,
  host: '127.0.0.1',
  noDelay: true,
}

/** Another door to the same server: such a socket holds less for a client that does not read. */
const scratch = mkdtempSync(join(tmpdir(), 'headfirst-cycles-'))
const local: NetConnectOpts = { path: join(scratch, 'socket') }
const door = createServer((socket: Socket) => app.server.emit('connection', socket))
await new Promise<void>((resolve) => door.listen(local.path, resolve))

let turn = 0
type Go = (lane: Lane, at: string) => Promise<unknown>

/** Leaves in the middle of a response. */
const leaving =
  (route: string): Go =>
  async (lane, at) => {
    await lane.stay(`${at}/${route}`)
    await lane.close()
  }

/** Leaves before the head, while something on the server holds it back. */
const leavingHeld =
  (route: string): Go =>
  async (lane, at) => {
    const path = `${at}/${route}/${turn++}`
    await lane.ask(path)
    await until(() => held[path] !== undefined, path)
    await lane.close()
    held[path]?.()
    delete held[path]
  }

const asking =
  (route: string, method?: string): Go =>
  async (lane, at) =>
    lane.request(`${at}/${route}`, method)

/** By reason: ways to come to it, with a connection for many streams or one for each. */
const WAYS: Record<Exclude<Reason, 'shutdown' | 'lost'>, Record<string, Go>> = {
  ended: { ends: asking('count'), 'closes in onOpen': asking('closes') },
  error: { fails: asking('fails'), throws: asking('throws') },
  client: {
    'leaves a promise': leaving('promise'),
    'leaves one that looks': leaving('stays'),
    // Which would fill a larger socket for some milliseconds before it waits for its client.
    'leaves a generator': async (_, at) => leaving('generator')(new Lane(local), at),
  },
  timeout: {
    'never over': asking('totalMs'),
    'silent since': asking('idleMs'),
    'silent at all': asking('firstEventMs'),
  },
  overflow: {
    'never reads': async (lane, at) => {
      const path = `${at}/floods/${turn++}`
      const isOver = new Promise<void>((resolve) => (over[path] = resolve))
      await lane.ask(path, 'GET', true)
      await isOver
      await lane.close()
    },
  },
  none: {
    HEAD: asking('count', 'HEAD'),
    204: asking('empty'),
    'onSend throws': asking('refused'),
    'leaves during onSend': leavingHeld('held'),
    'leaves before reply.sse()': leavingHeld('late'),
  },
}

/** Runs so many cycles side by side, and answers how often each way was gone. */
async function runWays(
  executor: ExecutorName,
  reason: keyof typeof WAYS,
  times: number,
): Promise<Record<string, number>> {
  const ways = Object.entries(WAYS[reason])
  const gone: Record<string, number> = {}
  let next = 0
  const lanes = lanesTo(reason === 'overflow' ? local : tcp, PLACES)
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

const lanesTo = (address: NetConnectOpts, count: number): Lane[] =>
  Array.from({ length: count }, () => new Lane(address))

/** A server for some hundred streams, which it ends when it is closed. */
async function runShutdowns(executor: ExecutorName, times: number): Promise<Record<string, number>> {
  for (let done = 0; done < times; done += SHUT_TOGETHER) {
    const streams = Math.min(SHUT_TOGETHER, times - done)
    const closing = await serve({ threads: 1, streamsPerThread: SHUT_TOGETHER })
    closing.get('/', { sse: { executor } }, async (_, reply) => reply.sse(endless.waits))
    await closing.listen({ port: 0, host: '127.0.0.1' })
    const { port } = closing.server.address() as AddressInfo
    const lanes = lanesTo({ port, host: '127.0.0.1' }, streams)
    await Promise.all(lanes.map(async (lane) => lane.stay('/')))
    await Promise.all([closing.close(), ...lanes.map(async (lane) => lane.over())])
    await Promise.all(lanes.map(async (lane) => lane.close()))
  }
  return { 'server closes': times }
}

/** A pool of one thread, which dies with all its streams again and again. */
class Fragile {
  readonly #app: FastifyInstance
  readonly #address: NetConnectOpts

  private constructor(fragile: FastifyInstance) {
    this.#app = fragile
    this.#address = { port: (fragile.server.address() as AddressInfo).port, host: '127.0.0.1' }
  }

  static async make(): Promise<Fragile> {
    const fragile = await serve({ threads: 1, streamsPerThread: DIE_TOGETHER })
    const sse = { executor: 'workers' }
    for (const path of ['/waits', '/ready']) {
      fragile.get(path, { sse }, async (_, reply) => reply.sse(endless.waits))
    }
    fragile.get('/exits', { sse }, async (_, reply) => reply.sse(dying.exits, { events: 0 }))
    await fragile.listen({ port: 0, host: '127.0.0.1' })
    return new Fragile(fragile)
  }

  /** @returns threads that were killed for it */
  async run(times: number): Promise<number> {
    let killed = 0
    for (let done = 0; done < times; done += DIE_TOGETHER, killed++) {
      const lanes = lanesTo(this.#address, Math.min(DIE_TOGETHER, times - done))
      const [killer, ...others] = lanes as [Lane, ...Lane[]]
      await Promise.all(others.map(async (lane) => lane.stay('/waits')))
      await killer.request('/exits')
      await Promise.all(others.map(async (lane) => lane.over()))
      await Promise.all(lanes.map(async (lane) => lane.close()))
    }
    // The last thread has a successor.
    const [lane] = lanesTo(this.#address, 1) as [Lane]
    await lane.stay('/ready')
    await lane.close()
    await until(() => countedOf(this.#app) === 0, 'the pool that dies to be idle')
    return killed
  }

  async close(): Promise<void> {
    await this.#app.close()
  }
}

/** When everything had been done once. */
let warm: Living | undefined

const isAsMany = (one: Living, other: Living): boolean =>
  one.threads === other.threads && one.files === other.files

function countedOf({ sse }: FastifyInstance): number {
  const { executors: slots, routes } = sse.stats()
  const loads = Object.values(slots).map(({ running, waiting }) => running + waiting)
  const open = Object.values(routes).map((route) => route.open)
  return [...loads, ...open].reduce((sum, value) => sum + value, 0)
}

async function idle(): Promise<void> {
  await until(() => countedOf(app) === 0, 'all streams to be over')
  let connections = -1
  await until(() => {
    app.server.getConnections((_, value) => (connections = value))
    return connections === 0
  }, 'all connections to be closed')
}

/** What is alive when nothing goes on. */
async function look(done: number): Promise<Look> {
  await idle()
  const threads = await threadCounts()
  await idle()
  let now = await living()
  const like = warm ?? now
  // The system takes a moment to forget a thread that has been joined.
  for (let n = 0; n < 100 && !isAsMany(now, like); n++) {
    await new Promise((resolve) => setTimeout(resolve, 10))
    now = await living()
  }
  return {
    cycles: done,
    ...now,
    counted: countedOf(app),
    listeners: app.server.eventNames().reduce((sum, name) => sum + app.server.listenerCount(name), 0),
    threadHeapBytes: threads.reduce((sum, { heapBytes }) => sum + heapBytes, 0),
    threadStreams: threads.reduce((sum, { streams }) => sum + streams, 0),
  }
}

/** Streams that stay are given to the threads in turn, as soon as these are there. */
async function threadCounts(): Promise<ThreadCount[]> {
  const lanes: Lane[] = []
  const counts = new Map<number, ThreadCount>()
  const asks = new Map<number, number>()
  while (counts.size < THREADS) {
    const lane = new Lane(tcp)
    lanes.push(lane)
    await lane.stay('/counts', 'id: 0')
    const count = JSON.parse(/data: (.*)/.exec(lane.text)?.[1] ?? '') as ThreadCount
    const asked = (asks.get(count.id) ?? 0) + 1
    asks.set(count.id, asked)
    counts.set(count.id, { ...count, streams: count.streams - asked })
  }
  await Promise.all(lanes.map(async (lane) => lane.close()))
  return [...counts.values()]
}

/** Opens as many streams as the pool has places, and answers how many run at a time. */
async function fill(): Promise<number> {
  const lanes = lanesTo(tcp, PLACES)
  await Promise.all(lanes.map(async (lane) => lane.stay('/stays')))
  const { running = 0 } = app.sse.stats().executors['workers'] ?? {}
  await Promise.all(lanes.map(async (lane) => lane.close()))
  return running
}

const fragile = executors.includes('workers') ? await Fragile.make() : undefined

async function run(
  executor: ExecutorName,
  reason: Reason,
  times: number,
): Promise<{ ways: Record<string, number>; killed: number }> {
  if (reason === 'shutdown') return { ways: await runShutdowns(executor, times), killed: 0 }
  if (reason === 'lost') return { ways: { 'thread dies': times }, killed: (await fragile?.run(times)) ?? 0 }
  return { ways: await runWays(executor, reason, times), killed: 0 }
}

function add(one: Record<string, number>, other: Record<string, number>): Record<string, number> {
  const keys = new Set([...Object.keys(one), ...Object.keys(other)])
  return Object.fromEntries(Array.from(keys, (key) => [key, (one[key] ?? 0) + (other[key] ?? 0)]))
}

async function measure(executor: ExecutorName, reason: Reason): Promise<Cell> {
  const all = Number(cycles) / (reason === 'lost' ? 10 : 1)
  const inPart = Math.ceil(all / Number(parts))
  const cell: Cell = { executor, reason, cycles: 0, killed: 0, seconds: 0, ways: {}, told: {}, looks: [] }
  // What only comes with the first of a kind is not what is looked for.
  await run(executor, reason, Math.ceil(inPart / 4))
  if (Number(parts) > 1) cell.looks.push(await look(0))
  await idle()
  const before = { ...told }
  while (cell.cycles < all) {
    const times = Math.min(inPart, all - cell.cycles)
    const beganAt = performance.now()
    const { ways, killed } = await run(executor, reason, times)
    cell.seconds += (performance.now() - beganAt) / 1_000
    cell.cycles += times
    cell.killed += killed
    cell.ways = add(cell.ways, ways)
    cell.looks.push(await look(cell.cycles))
  }
  for (const [name, count] of Object.entries(told) as [CloseReason, number][]) {
    if (count !== (before[name] ?? 0)) cell.told[name] = count - (before[name] ?? 0)
  }
  return cell
}

const WARM_UP = 100
const REASONS: readonly Reason[] = ['ended', 'client', 'error', 'timeout', 'overflow', 'shutdown', 'none']
const reasonsOf = (executor: ExecutorName): readonly Reason[] =>
  (executor === 'workers' ? [...REASONS, 'lost' as const] : REASONS).filter(
    (reason) => only === undefined || only.split(',').includes(reason),
  )
for (const executor of executors) {
  for (const reason of reasonsOf(executor)) await run(executor, reason, WARM_UP)
}
const before = await look(0)
warm = before
const report: Report = {
  before,
  objectsBefore: livingObjects(),
  cells: [],
  objectsAfter: {},
  places: 0,
}
for (const executor of executors) {
  for (const reason of reasonsOf(executor)) report.cells.push(await measure(executor, reason))
}
report.objectsAfter = livingObjects()
report.places = await fill()
await idle()
await fragile?.close()
await app.close()
door.close()
rmSync(scratch, { recursive: true })
process.stdout.write(JSON.stringify(report))
