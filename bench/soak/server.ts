/**
 * The server of the soak, in a process of its own, with every executor and a route for each kind of client. It is asked
 * now and then what it holds. `main.ts` starts it, with --expose-gc.
 */
import { readdirSync } from 'node:fs'
import { performance, type EventLoopUtilization } from 'node:perf_hooks'
import { setImmediate as nextTurn } from 'node:timers/promises'
import Fastify, { type FastifyInstance } from 'fastify'
import headfirst, { History, workers, type CloseReason, type Producer } from 'headfirst'
import { serve } from '../../profiler/load/remote.ts'
import { burst, nap, single, ticker } from '../servers/producers.ts'
import { EXECUTORS, KILL_PATH, NEWS_PATH, type Sizes } from './kinds.ts'
import { exit, flood } from './producers.ts'

/** What came of the streams of a route. */
export interface Count {
  opened: number
  open: number
  events: number
  closed: Partial<Record<CloseReason, number>>
}

/** What the server holds at a moment. */
export interface Held {
  heapBytes: number
  rssBytes: number
  externalBytes: number
  /** Undefined where the system has no such number. */
  files: number | undefined
  threads: number | undefined
  connections: number
  open: number
  /** Streams that run on an executor, or wait for it. */
  running: number
  refused: number
  lost: number
  events: number
  /** Of the event loop, since the last look: 0 to 1. */
  utilisation: number
}

// A type and not an interface: those have no index signature.
export type SoakServerQuestions = {
  start(sizes: Sizes): Promise<{ port: number }>
  held(): Promise<Held>
  counts(): Record<string, Count>
  /** @returns how long it took, in ms */
  close(): Promise<number>
}

const ENDLESS = 1e9
/** Longer than any client of the history stays away. */
const KEPT_EVENTS = 10_000
const GRACE_MS = 5_000

let app: FastifyInstance | undefined
let news: NodeJS.Timeout | undefined

async function start(sizes: Sizes): Promise<{ port: number }> {
  const { short, long, slow, leave, narrow, mortal } = sizes
  const made = Fastify({ forceCloseConnections: 'idle' })
  await made.register(headfirst, {
    graceMs: GRACE_MS,
    executors: {
      workers: workers({ streamsPerThread: 500 }),
      narrow: workers({ threads: 1, streamsPerThread: 1, maxQueue: 1 }),
      mortal: workers({ threads: 1, streamsPerThread: 200 }),
    },
  })
  const route = (path: string, executor: string, producer: Producer<never>, input?: unknown): void => {
    made.get(path, { sse: { executor, compress: path.startsWith('/short/') } }, async (_, reply) =>
      reply.sse(producer as Producer<unknown>, input),
    )
  }
  route('/probe', 'inline', single)
  for (const executor of EXECUTORS) {
    route(`/short/${executor}`, executor, burst, { ...short, data: 'html' })
    route(`/long/${executor}`, executor, ticker, long)
    route(`/slow/${executor}`, executor, burst, { ...slow, data: 'string' })
    route(`/deaf/${executor}`, executor, flood)
    route(`/leave/${executor}`, executor, ticker, { events: ENDLESS, everyMs: leave.everyMs })
  }
  route('/narrow', 'narrow', nap, narrow)
  route('/mortal', 'mortal', ticker, mortal)
  route(KILL_PATH, 'mortal', exit)

  const history = new History({ maxEvents: KEPT_EVENTS })
  let number = 0
  news = setInterval(() => history.push('news', String(number++)), sizes.news.everyMs)
  made.get(NEWS_PATH, { sse: true }, async (_, reply) => reply.sse(history.follow('news')))

  await made.listen({ host: '127.0.0.1', port: 0, backlog: 4_096 })
  app = made
  return { port: (made.server.address() as { port: number }).port }
}

function running(): FastifyInstance {
  if (app === undefined) throw new Error('The server was not started')
  return app
}

let before: EventLoopUtilization = performance.eventLoopUtilization()

const sum = <Item>(items: Record<string, Item>, of: (item: Item) => number): number =>
  Object.values(items).reduce((total, item) => total + of(item), 0)

async function held(): Promise<Held> {
  const server = running()
  const now = performance.eventLoopUtilization()
  const { utilization } = performance.eventLoopUtilization(now, before)
  before = now
  // What finalizers let go of is garbage then.
  for (let count = 0; count < 2; count++) {
    globalThis.gc?.()
    await nextTurn()
  }
  const { heapUsed, rss, external } = process.memoryUsage()
  const { executors, routes } = server.sse.stats()
  return {
    heapBytes: heapUsed,
    rssBytes: rss,
    externalBytes: external,
    files: entriesOf('/proc/self/fd'),
    threads: entriesOf('/proc/self/task'),
    connections: await new Promise<number>((resolve) =>
      server.server.getConnections((_, count) => resolve(count)),
    ),
    open: sum(routes, ({ open }) => open),
    running: sum(executors, (one) => one.running + one.waiting),
    refused: sum(executors, ({ refused }) => refused),
    lost: sum(routes, ({ closed }) => closed.lost ?? 0),
    events: sum(routes, ({ events }) => events),
    utilisation: utilization,
  }
}

function entriesOf(directory: string): number | undefined {
  return process.platform === 'linux' ? readdirSync(directory).length : undefined
}

function counts(): Record<string, Count> {
  const { routes } = running().sse.stats()
  return Object.fromEntries(
    Object.entries(routes).map(([name, { opened, open, events, closed }]) => [
      name.replace(/^GET /, ''),
      { opened, open, events, closed },
    ]),
  )
}

async function close(): Promise<number> {
  clearInterval(news)
  const beganAt = performance.now()
  await running().close()
  return performance.now() - beganAt
}

serve({ start, held, counts, close } satisfies SoakServerQuestions)
