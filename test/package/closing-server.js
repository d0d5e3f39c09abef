// Servers that close while their threads start, each at another place of the start: `closing-server.js ROUNDS`.
import Fastify from 'fastify'
import headfirst, { workers } from 'headfirst'
import { report } from '../../examples/quick-start/report.js'

/** A start takes some 100 ms. */
const LATEST_MS = 160
const APART_MS = 7

const rounds = Number(process.argv[2])
for (let round = 0; round < rounds; round++) {
  const app = Fastify()
  const pool = workers({ threads: 2, graceMs: 0 })
  await app.register(headfirst, { graceMs: 0, executors: { workers: pool } })
  app.get('/', { sse: { executor: 'workers' } }, async (_, reply) => reply.sse(report, { id: '1' }))
  const url = await app.listen({ port: 0, host: '127.0.0.1' })
  const response = fetch(url).then(
    (answer) => answer.text(),
    () => 'cut',
  )
  await new Promise((resolve) => setTimeout(resolve, (round * APART_MS) % LATEST_MS))
  await app.close()
  await response.catch(() => 'cut')
}
console.log(`closed ${rounds}`)
