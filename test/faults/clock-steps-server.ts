/** A process of its own, whose clock steps: runs streams with every kind of time limit, and prints how they went. */
import Fastify from 'fastify'
import headfirst, { History, workers, type CloseInfo } from '../../src/index.ts'
import { openStream } from '../../src/testing/open-stream.ts'
import { EXECUTORS } from '../support/executors.ts'
import { steady, waitsInPlace } from './clock-steps-producers.ts'
import { waits } from '../support/producers/endless.ts'

export interface Clocked {
  /** By path: what the client got, in short, and how its stream went. */
  streams: Record<string, { ids: string; last: string | undefined; comments: number; closed: CloseInfo }>
  /** Ids of a history that was followed while it was pushed to. */
  history: string[]
  /** Of the server's thread, between two looks, in whole hours. */
  hours: number[]
}

/** Longer than the test, and much shorter than a step of the clock. */
const LONG_MS = 600_000

const app = Fastify()
const closed: Record<string, CloseInfo> = {}
await app.register(headfirst, {
  executors: {
    workers: workers({ threads: 2, niceIncrement: 0, maxQueueWaitMs: LONG_MS, graceMs: LONG_MS }),
    full: workers({ threads: 1, streamsPerThread: 1, niceIncrement: 0, maxQueueWaitMs: LONG_MS }),
    hasty: workers({ threads: 1, streamsPerThread: 1, niceIncrement: 0, maxQueueWaitMs: 50 }),
  },
  graceMs: LONG_MS,
  maxBuffered: 2 ** 26,
  onClose: (info, { url }) => void (closed[url] = info),
})
const patient = { firstEventMs: LONG_MS, idleMs: LONG_MS, totalMs: LONG_MS }
const paths: string[] = []
for (const executor of EXECUTORS) {
  paths.push(`/${executor}/steady`, `/${executor}/silent`)
  app.get(`/${executor}/steady`, { sse: { executor, timeouts: patient } }, async (_, reply) =>
    reply.sse(steady),
  )
  const limits = { heartbeatMs: 20, timeouts: { totalMs: 300 } }
  app.get(`/${executor}/silent`, { sse: { executor, ...limits } }, async (_, reply) => reply.sse(waits))
}
app.get('/workers/waits', { sse: { executor: 'workers', highWaterMark: 0 } }, async (_, reply) =>
  reply.sse(waitsInPlace),
)
const timeouts = { totalMs: 300 }
for (const executor of ['full', 'hasty']) {
  app.get(`/${executor}/holds`, { sse: { executor, timeouts } }, async (_, reply) => reply.sse(waits))
  app.get(`/${executor}/waits`, { sse: { executor } }, async (_, reply) => reply.sse(steady))
}
const history = new History({ maxEvents: 10 })
app.get('/history', { sse: true }, async (_, reply) => reply.sse(history.follow('key', { from: 'oldest' })))

const streams: Clocked['streams'] = {}
async function read(path: string): Promise<void> {
  const stream = await openStream(app, { path })
  const ids: string[] = []
  let last: string | undefined
  for await (const { event, id, data } of stream.events) {
    if (event === 'message') ids.push(id ?? '')
    else last = data
  }
  const comments = stream.comments.length
  streams[path] = { ids: ids.join(), last, comments, closed: closed[path] as CloseInfo }
}

for (let n = 0; n < 3; n++) history.push('key', `event ${n}`)
const follower = await openStream(app, { path: '/history' })
await Promise.all([
  ...[...paths, '/workers/waits'].map(read),
  ...['full', 'hasty'].map(async (executor) => {
    const holds = read(`/${executor}/holds`)
    // The first one has the place; the next waits, or waits for too long.
    while (app.sse.stats().executors[executor]?.running === 0) await new Promise(setImmediate)
    await Promise.all([holds, read(`/${executor}/waits`)])
  }),
  (async () => {
    for (let n = 3; n < 8; n++) {
      await new Promise((resolve) => setTimeout(resolve, 10))
      history.push('key', `event ${n}`)
    }
  })(),
])
history.delete('key')
const followed: string[] = []
for await (const { data } of follower.events) followed.push(data)
const looks = Array.from({ length: 7 }, () => Date.now())
const hours = looks.slice(1).map((time, n) => Math.round((time - (looks[n] as number)) / 3_600_000))
// It resolves long before its grace is over, whatever the clock says.
await app.close()
process.stdout.write(JSON.stringify({ streams, history: followed, hours } satisfies Clocked))
