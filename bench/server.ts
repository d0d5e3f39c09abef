/**
 * The server under test: a Fastify app with headfirst and one route or two, in a process of its own, started afresh for
 * each row, so that no row inherits another's heap, threads or compiled code. `main.ts` starts it.
 */
import Fastify, { type FastifyInstance } from 'fastify'
import headfirst, {
  workers,
  type FlushMode,
  type Producer,
  type RouteStats,
  type WorkersOptions,
} from 'headfirst'
import { performance } from 'node:perf_hooks'
import { naive } from './naive/executor.ts'
import { loadExecutor } from './own-executor.ts'
import { block, burst, single, ticker, type BurstPlan, type TickerPlan } from './producers.ts'
import { serve } from './remote.ts'
import { mainThreadCpuMs } from './thread-cpu.ts'

/** One route: a producer, and where it runs. */
export interface RoutePlan {
  /** A built-in executor's name, `naive`, or any other if the server's `module` is given. */
  executor: string
  flush: FlushMode
  producer: ProducerPlan
}

export interface ServerPlan extends RoutePlan {
  /** URL of a module whose default export is the executor, or makes it. */
  module: string | undefined
  /** Options of the executor `workers`, where they are not those for producers that block. */
  workers?: WorkersOptions
  /** A second route of the same server. */
  beside?: RoutePlan
}

/** Which of a server's routes: that of its plan, or the second one. */
export type RouteName = 'main' | 'beside'

type ProducerPlan =
  | { name: 'single'; input?: undefined }
  | { name: 'block'; input: { steps: number } }
  | { name: 'burst'; input: BurstPlan }
  | { name: 'ticker'; input: TickerPlan }

/** All counts since the server's start. */
export interface Snapshot {
  /** Ms for which the server's event loop was not waiting: its thread's occupancy. */
  activeMs: number
  /** CPU time of the process, all threads. */
  cpuMs: number
  /** CPU time of the server's own thread alone; undefined where it can't be measured. */
  mainCpuMs: number | undefined
  rssBytes: number
  routes: Record<RouteName, RouteStats>
}

// A type and not an interface: those have no index signature.
export type ServerQuestions = {
  /** @returns where it listens, on the loopback interface */
  start(plan: ServerPlan): Promise<{ port: number; paths: Record<RouteName, string> }>
  snapshot(): Promise<Snapshot>
}

const PRODUCERS = { block, burst, single, ticker }

const PATHS = { main: '/stream', beside: '/beside' } as const

/** Overload is what is measured here: nobody may be refused for it. */
const QUEUE_WITHOUT_REFUSAL = 100_000
const PATIENCE_MS = 600_000

let snapshot: (() => Snapshot) | undefined

const NOTHING_YET: RouteStats = { open: 0, opened: 0, closed: {}, events: 0, bytes: 0, dropped: 0 }

async function start(plan: ServerPlan): Promise<{ port: number; paths: typeof PATHS }> {
  const { executor, module, beside } = plan
  const app = Fastify()
  await app.register(headfirst, {
    executors: {
      workers: workers({
        streamsPerThread: 1,
        maxQueue: QUEUE_WITHOUT_REFUSAL,
        maxQueueWaitMs: PATIENCE_MS,
        ...plan.workers,
      }),
      naive: naive(),
      ...(module === undefined ? {} : { [executor]: await loadExecutor(module) }),
    },
  })
  addRoute(app, PATHS.main, plan)
  if (beside !== undefined) addRoute(app, PATHS.beside, beside)
  await app.listen({ host: '127.0.0.1', port: 0, backlog: 4_096 })
  snapshot = () => {
    const { routes } = app.sse.stats()
    return {
      activeMs: performance.eventLoopUtilization().active,
      cpuMs: cpuMs(),
      mainCpuMs: mainThreadCpuMs(),
      rssBytes: process.memoryUsage.rss(),
      routes: {
        main: routes[`GET ${PATHS.main}`] ?? NOTHING_YET,
        beside: routes[`GET ${PATHS.beside}`] ?? NOTHING_YET,
      },
    }
  }
  return { port: (app.server.address() as { port: number }).port, paths: PATHS }
}

function addRoute(app: FastifyInstance, path: string, { executor, flush, producer }: RoutePlan): void {
  app.get(path, { sse: { executor, flush } }, async (_request, reply) =>
    reply.sse(PRODUCERS[producer.name] as Producer<unknown>, producer.input),
  )
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
