import Fastify from 'fastify'
import { expect, test } from 'vitest'
import headfirst, { deferred, type Executor } from '../../src/index.ts'
import { blockUntil, Flag, makeFlags, untilRaised } from '../../src/testing/flags.ts'
import { Observer } from '../../src/testing/observer.ts'

const CLIENTS = 6

/**
 * The first producer blocks the server until the requests of all other clients wait in the kernel. The second
 * blocks it until all of them have their heads, which can only be if those went out in between.
 */
async function headsBeforeTheSecondProducer(executor: Executor, patienceMs: number): Promise<string> {
  const app = Fastify()
  await app.register(headfirst, { executor: 'subject', executors: { subject: executor } })
  const clients = Array.from({ length: CLIENTS }, () => makeFlags())
  let started = 0
  app.get('/', { sse: true }, async (_, reply) =>
    reply.sse((stream) => {
      started++
      if (started === 1) for (const flags of clients) blockUntil(flags, Flag.SENT)
      if (started === 2) {
        const seen = clients.every((flags) => blockUntil(flags, Flag.HEAD, 1, patienceMs))
        stream.send(seen ? 'all have their heads' : 'some wait')
      }
      stream.close()
    }),
  )
  await app.listen({ port: 0, host: '127.0.0.1' })
  const { port } = app.server.address() as { port: number }
  const observers = clients.map((flags) => new Observer(port, '/', { flags }))
  await Promise.all(clients.map(async (flags) => untilRaised(flags, Flag.OVER)))
  const bodies = await Promise.all(observers.map(async (observer) => (await observer.over()).body))
  await app.close()
  await Promise.all(observers.map(async (observer) => observer.dismiss()))
  return bodies.join('')
}

test('deferred lets the heads of all who have come go out before it runs the next producer', async () => {
  expect(await headsBeforeTheSecondProducer(deferred(), 10_000)).toBe('data: all have their heads\n\n')
})

test('a plain setImmediate does not, which is why deferred has a queue', async () => {
  const immediate: Executor = { run: (task) => void setImmediate(() => void task.produce()) }
  expect(await headsBeforeTheSecondProducer(immediate, 1_000)).toBe('data: some wait\n\n')
})

test('a generator of one client gives way to the producer of another, slice by slice', async () => {
  const app = Fastify()
  await app.register(headfirst, { executor: 'subject', executors: { subject: deferred({ sliceMs: 1 }) } })
  const [first, second] = [makeFlags(), makeFlags()]
  app.get('/endless', { sse: true }, async (_, reply) =>
    reply.sse(function* (stream) {
      // It computes on until the other client, who comes later, has its event.
      for (let n = 0; Atomics.load(second, Flag.EVENTS) === 0 && !stream.closed; n++) yield String(n)
    }),
  )
  app.get('/short', { sse: true }, async (_, reply) =>
    reply.sse(async (stream) => void stream.send('in between')),
  )
  await app.listen({ port: 0, host: '127.0.0.1' })
  const { port } = app.server.address() as { port: number }
  const endless = new Observer(port, '/endless', { flags: first })
  await untilRaised(first, Flag.EVENTS)
  const short = new Observer(port, '/short', { flags: second })
  expect((await short.over()).body).toBe('data: in between\n\n')
  expect((await endless.over()).complete).toBe(true)
  await app.close()
  await Promise.all([endless.dismiss(), short.dismiss()])
})
