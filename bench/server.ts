/**
 * The server under test: a Fastify app with headfirst and one route, in a process of its own, started afresh for
 * each row, so that no row inherits another's heap, threads or compiled code. `main.ts` starts it.
 */
import Fastify from 'fastify'
import headfirst, { workers, type FlushMode, type Producer, type RouteStats } from 'headfirst'
import { performance } from 'node:perf_hooks'
import { loadExecutor } from './own-executor.ts'
import { block, burst, single } from './producers.ts'
import { serve } from './remote.ts'

export interface ServerPlan {
  /** A built-in executor's name, or any other if `module` is given. */
  executor: string
  /** URL of a module whose default export is the executor, or makes it. */
  module: string | undefined
  flush: FlushMode
  producer: ProducerPlan
}

type ProducerPlan =
  | { name: 'single'; input?: undefined }
  | { name: 'block'; input: { steps: number } }
  | { name: 'burst'; input: { events: number } }

/** All counts since the server's start. */
export interface Snapshot {
  /** Ms for which the server's event loop was not waiting: its thread's occupancy. */
  activeMs: number
  /** CPU time of the process, all threads. */
  cpuMs: number
  rssBytes: number
  route: RouteStats
}

// A type and not an interface: those have no index signature.
export type ServerQuestions = {
  /** @returns where it listens, on the loopback interface */
  start(plan: ServerPlan): Promise<{ port: number; path: string }>
  snapshot(): Promise<Snapshot>
}

const PRODUCERS = { block, burst, single }

const PATH = '/stream'

/** Overload is what is measured here: nobody may be refused for it. */
const QUEUE_WITHOUT_REFUSAL = 100_000
const PATIENCE_MS = 600_000

let snapshot: (() => Snapshot) | undefined

async function start({
  executor,
  module,
  flush,
  producer,
}: ServerPlan): Promise<{ port: number; path: string }> {
  const app = Fastify()
  await app.register(headfirst, {
    executors: {
      workers: workers({ streamsPerThread: 1, maxQueue: QUEUE_WITHOUT_REFUSAL, maxQueueWaitMs: PATIENCE_MS }),
      ...(module === undefined ? {} : { [executor]: await loadExecutor(module) }),
    },
  })
  app.get(PATH, { sse: { executor, flush } }, async (_request, reply) =>
    reply.sse(PRODUCERS[producer.name] as Producer<unknown>, producer.input),
  )
  await app.listen({ host: '127.0.0.1', port: 0, backlog: 4_096 })
  snapshot = () => ({
    activeMs: performance.eventLoopUtilization().active,
    cpuMs: cpuMs(),
    rssBytes: process.memoryUsage.rss(),
    route: app.sse.stats().routes[`GET ${PATH}`] as RouteStats,
  })
  return { port: (app.server.address() as { port: number }).port, path: PATH }
}

function cpuMs(): number {
  const { user, system } = process.cpuUsage()
  return (user + system) / 1_000
}

serve({
  start,
  async snapshot() {
    if (snapshot === undefined) throw new Error('The server was not started')
    return snapshot()
  },
} satisfies ServerQuestions)
