/**
 * The servers under test, each in a process of its own: headfirst's here, that of any other library in `peer-server.ts`.
 * What they are to run, and are asked, is in `server-plan.ts`, what their streams do in `producers.ts`.
 *
 * This one is a Fastify app with headfirst and one route or two, started afresh for each row, so that no row inherits
 * another's heap, threads or compiled code. The testbed starts it.
 */
import { readFileSync } from 'node:fs'
import { extname } from 'node:path'
import Fastify, { type FastifyInstance, type FastifyServerOptions } from 'fastify'
import headfirst, { workers, type Producer, type RouteStats } from 'headfirst'
import { serve } from '../../profiler/load/remote.ts'
import { naive } from './naive/executor.ts'
import { loadExecutor } from './own-executor.ts'
import { loadProducer } from './own-producer.ts'
import {
  block,
  burst,
  fan,
  hub,
  nap,
  pause,
  single,
  subscribe,
  ticker,
  wait,
  type Ending,
} from './producers.ts'
import {
  PATHS,
  type Address,
  type RoutePlan,
  type ServerPlan,
  type OwnServerQuestions,
  type Snapshot,
} from './server-plan.ts'
import { memory, usage } from './usage.ts'

const PRODUCERS = { block, burst, fan, hub, nap, pause, single, subscribe, ticker, wait }

/** Overload is what is measured here: no client may be refused for it. */
const QUEUE_WITHOUT_REFUSAL = 100_000
const PATIENCE_MS = 600_000

const ending: Ending = new Int32Array(new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT))

let snapshot: (() => Snapshot) | undefined

const NOTHING_YET: RouteStats = { open: 0, opened: 0, closed: {}, events: 0, bytes: 0, dropped: 0 }

async function start(plan: ServerPlan): Promise<Address> {
  const { executor, module, beside, tls = false } = plan
  const app = Fastify(tls ? https() : {})
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
  await addRoute(app, PATHS.main, plan)
  if (beside !== undefined) await addRoute(app, PATHS.beside, beside)
  await app.listen({ host: '127.0.0.1', port: 0, backlog: 4_096 })
  snapshot = () => {
    const { routes } = app.sse.stats()
    const main = routes[`GET ${PATHS.main}`] ?? NOTHING_YET
    const second = routes[`GET ${PATHS.beside}`] ?? NOTHING_YET
    return {
      ...usage(),
      open: { main: main.open, beside: second.open },
      routes: { main, beside: second },
    }
  }
  return { port: (app.server.address() as { port: number }).port, paths: PATHS }
}

/** With the certificate of the tests, whose key is public. Its name in Fastify's types is another. */
function https(): FastifyServerOptions {
  const folder = extname(import.meta.url) === '.ts' ? '../../test/support/' : '../../../test/support/'
  const read = (file: string): string => readFileSync(new URL(`${folder}${file}`, import.meta.url), 'utf8')
  return {
    https: { key: read('test-only-key.pem'), cert: read('test-only-certificate.pem') },
  } as FastifyServerOptions
}

async function addRoute(app: FastifyInstance, path: string, plan: RoutePlan): Promise<void> {
  const { executor, flush, producer, coding, framedByNode = false } = plan
  const compress = coding === undefined ? false : { encodings: [coding] }
  const produce =
    producer.name === 'own'
      ? await loadProducer(producer.module)
      : (PRODUCERS[producer.name] as Producer<unknown>)
  const input = producer.name === 'hub' ? { ...producer.input, ending } : producer.input
  app.get(path, { sse: { executor, flush, compress } }, async (_request, reply) => {
    // A `write()` of the response's own is never passed by.
    if (framedByNode) reply.raw.write = reply.raw.write.bind(reply.raw)
    return reply.sse(produce, input)
  })
}

serve({
  start,
  async snapshot() {
    if (snapshot === undefined) throw new Error('The server was not started')
    return snapshot()
  },
  memory,
  endHubs: () => void Atomics.store(ending, 0, 1),
} satisfies OwnServerQuestions)
