/**
 * A process of its own: a server with running, waiting and stuck streams on workers, which closes. It prints what
 * is left as JSON, and must then end by itself.
 */
import { get, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import Fastify from 'fastify'
import headfirst, { workers, type ExecutorStats } from '../../../src/index.ts'
import { Flag, makeFlags, until, untilRaised } from '../../../src/testing/flags.ts'
import { stays } from '../../support/producers/endless.ts'
import { neverStops } from '../../support/producers/blocking.ts'

export interface Left {
  /** Of the pool, after the close. */
  stats: ExecutorStats
  /** Close reasons by route. */
  closed: Record<string, unknown>
  /** What the producers that still ran were named as. */
  named: string[]
  resources: string[]
}

const [graceMs = 0, stuck = ''] = process.argv.slice(2)

const named: string[] = []
const stream = {
  write: (line: string) => {
    named.push(...((JSON.parse(line) as { running?: string[] }).running ?? []))
  },
}
const app = Fastify({ logger: { level: 'warn', stream } })
await app.register(headfirst, {
  graceMs: Number(graceMs),
  executors: { pool: workers({ threads: 2, streamsPerThread: 2, graceMs: 60_000 }) },
})
const flags = makeFlags()
const sse = { executor: 'pool' }
app.get('/stays', { sse }, async (_request, reply) => reply.sse(stays, { flags }))
app.get('/stuck', { sse }, async (_request, reply) => reply.sse(neverStops, { flags }))
await app.listen({ port: 0, host: '127.0.0.1' })

const { port } = app.server.address() as AddressInfo
async function open(path: string): Promise<void> {
  const response = await new Promise<IncomingMessage>((resolve, reject) => {
    get({ port, path, host: '127.0.0.1', agent: false }, resolve).on('error', reject)
  })
  response.on('error', () => {}).resume()
}

if (stuck === 'stuck') await open('/stuck')
for (let n = 0; n < 6; n++) await open('/stays')
await untilRaised(flags, Flag.STARTED, stuck === 'stuck' ? 2 : 4)
await until(() => app.sse.stats().executors['pool']?.threads === 2, 'two threads')

await app.close()

const { executors, routes } = app.sse.stats()
const left: Left = {
  stats: executors['pool'] as ExecutorStats,
  closed: Object.fromEntries(Object.entries(routes).map(([name, { closed }]) => [name, closed])),
  named,
  resources: process.getActiveResourcesInfo(),
}
process.stdout.write(JSON.stringify(left))
