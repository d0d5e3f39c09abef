import { once } from 'node:events'
import { connect, createServer, type AddressInfo } from 'node:net'
import Fastify from 'fastify'
import { expect, test } from 'vitest'
import headfirst, { deferred, type Executor, type Task } from '../../src/index.ts'
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

test('however busy the loop is, a producer is not put off for ever', async () => {
  // What one socket gets it sends back to the other at once, so that no turn of the loop finds nothing to do.
  const echo = createServer((socket) => socket.on('error', () => {}).pipe(socket))
  echo.listen({ port: 0, host: '127.0.0.1' })
  await once(echo, 'listening')
  const ball = connect({ port: (echo.address() as AddressInfo).port, host: '127.0.0.1' })
  ball.on('error', () => {}).pipe(ball)
  for (let balls = 0; balls < 20; balls++) ball.write('ball')
  const app = Fastify()
  await app.register(headfirst, { executor: 'subject', executors: { subject: deferred() } })
  app.get('/', { sse: true }, async (_, reply) =>
    reply.sse(function* () {
      for (let slice = 0; slice < 3; slice++) yield 'it runs'
    }),
  )
  await app.listen({ port: 0, host: '127.0.0.1' })
  const observer = new Observer((app.server.address() as AddressInfo).port, '/')
  expect((await observer.over()).body).toBe('data: it runs\n\n'.repeat(3))
  ball.destroy()
  echo.close()
  await app.close()
  await observer.dismiss()
})

test('a producer that is cancelled before its turn never runs, and those behind it do', async () => {
  const queue = deferred()
  const ran: string[] = []
  const app = Fastify()
  await app.register(headfirst, {
    executor: 'subject',
    executors: {
      subject: {
        ...queue,
        run(task: Task) {
          void queue.run(task)
          if (task.route !== 'GET /cancelled') return
          // Once is enough.
          for (let times = 0; times < 2; times++) queue.cancel?.(task, 'client')
          task.end()
        },
      },
    },
  })
  for (const path of ['/one', '/cancelled', '/other']) {
    app.get(path, { sse: true }, async (_, reply) =>
      reply.sse(async (stream) => {
        ran.push(path)
        stream.send(path)
      }),
    )
  }
  const address = await app.listen({ port: 0, host: '127.0.0.1' })
  const bodies = async (...paths: string[]): Promise<string[]> =>
    Promise.all(paths.map(async (path) => (await fetch(address + path)).text()))
  // Among others, and alone.
  expect(await bodies('/one', '/cancelled', '/other')).toEqual(['data: /one\n\n', '', 'data: /other\n\n'])
  expect(await bodies('/cancelled')).toEqual([''])
  expect(await bodies('/one')).toEqual(['data: /one\n\n'])
  expect(ran.toSorted()).toEqual(['/one', '/one', '/other'])
  await app.close()
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
