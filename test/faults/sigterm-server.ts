/**
 * A process of its own: a server that closes on SIGTERM, and must then end by itself. Prints its port, and what is left
 * when it has closed.
 */
import type { AddressInfo } from 'node:net'
import Fastify from 'fastify'
import headfirst, { workers } from '../../src/index.ts'
import { EXECUTORS } from '../support/executors.ts'
import { large, ticks } from './sigterm-producers.ts'
import { neverStops } from '../support/producers/blocking.ts'
import { makeFlags } from '../../src/testing/flags.ts'

const [graceMs = '', bytes = ''] = process.argv.slice(2)

const app = Fastify()
await app.register(headfirst, {
  graceMs: Number(graceMs),
  executors: {
    workers: workers({ threads: 2, niceIncrement: 0 }),
    // Lower, as are those of users: blocked threads would else take both cores from who has something to do.
    blocked: workers({ threads: 2, streamsPerThread: 1, niceIncrement: 19, graceMs: 200 }),
  },
  maxBuffered: 2 ** 28,
  heartbeatMs: 0,
})
for (const executor of EXECUTORS) {
  app.get(`/${executor}/ticks`, { sse: { executor } }, async (_, reply) => reply.sse(ticks))
  app.get(`/${executor}/large`, { sse: { executor } }, async (_, reply) =>
    reply.sse(large, { bytes: Number(bytes) }),
  )
}
app.get('/blocked', { sse: { executor: 'blocked' } }, async (_, reply) =>
  reply.sse(neverStops, { flags: makeFlags() }),
)

process.once('SIGTERM', () => {
  void (async () => {
    await app.close()
    const open = Object.values(app.sse.stats().routes).map((route) => route.open)
    process.stdout.write(`closed ${Math.max(...open)}\n`)
  })()
})
await app.listen({ port: 0, host: '127.0.0.1' })
process.stdout.write(`${(app.server.address() as AddressInfo).port}\n`)
