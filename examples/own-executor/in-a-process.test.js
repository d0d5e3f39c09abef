import assert from 'node:assert/strict'
import { test } from 'node:test'
import Fastify from 'fastify'
import headfirst from 'headfirst'
import { executorContract, openStream } from 'headfirst/testing'
import { inAProcess } from './in-a-process.js'
import { leaving, ticks } from './producers.js'

executorContract('inAProcess', inAProcess, test, { sharedMemory: false })

void test('inAProcess: a process that dies loses its streams only, and the next stream starts another', async (t) => {
  const app = Fastify()
  await app.register(headfirst, { executors: { far: inAProcess() }, executor: 'far' })
  app.get('/ticks', { sse: true }, async (_, reply) => reply.sse(ticks))
  app.get('/leaving', { sse: true }, async (_, reply) => reply.sse(leaving))
  await app.listen({ port: 0, host: '127.0.0.1' })
  t.after(() => app.close())

  const open = async () => {
    const stream = await openStream(app, { path: '/ticks' })
    return { stream, pid: (await stream.next())?.json() }
  }
  const streams = await Promise.all(Array.from({ length: 20 }, open))
  const last = await openStream(app, { path: '/leaving' })
  assert.equal((await last.next())?.data, 'leaving')
  // These clients leave when no message reaches the process any more.
  await Promise.all(streams.slice(0, 10).map(({ stream }) => stream.close()))
  const next = await open()
  assert.notEqual(next.pid, streams[0]?.pid)
  await Promise.all([last, ...streams.map(({ stream }) => stream)].map((stream) => stream.closed))
  assert.equal((await next.stream.next())?.json(), 0)
  assert.equal((await next.stream.next())?.json(), 1)
  await next.stream.close()
  assert.ok(app.sse.stats().executors.far.lost >= 11)
})
