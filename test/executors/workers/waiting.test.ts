import type { Socket } from 'node:net'
import { test, expect } from 'vitest'
import Fastify from 'fastify'
import headfirst, { workers } from '../../../src/index.ts'
import { Flag, makeFlags, until, untilRaised } from '../../../src/testing/flags.ts'
import { Observer } from '../../../src/testing/observer.ts'
import { asking, blocked, waitingInPlace, waitsWrongly } from './waiting-producers.ts'

/** More than the kernel takes for a client that does not read. */
const COUNT = 400
const SIZE = 65_536

const IDS = Array.from({ length: COUNT }, (_, n) => n)

async function serve(options: object, { count, size } = { count: COUNT, size: SIZE }) {
  const app = Fastify()
  const reasons: string[] = []
  await app.register(headfirst, {
    executor: 'workers',
    executors: { workers: workers({ threads: 1 }) },
    ...options,
    onClose: ({ reason }) => reasons.push(reason),
  })
  const flags = makeFlags()
  const input = { flags, count, size }
  app.get('/blocked', { sse: { overflow: 'block' } }, async (_, reply) => reply.sse(blocked, input))
  app.get('/waiting', { sse: true }, async (_, reply) => reply.sse(waitingInPlace, input))
  app.get('/asking', { sse: true }, async (_, reply) => reply.sse(asking, input))
  await app.listen({ port: 0, host: '127.0.0.1' })
  const { port } = app.server.address() as { port: number }
  const sockets: Socket[] = []
  app.server.on('connection', (socket) => sockets.push(socket))
  /** Resolves when a client is so far behind that the kernel takes no more for it. */
  const isBehind = async () =>
    until(() => sockets.some(({ writableLength }) => writableLength > 0), 'a full socket')
  return { app, reasons, flags, port, isBehind }
}

const idsOf = (body: string): number[] => [...body.matchAll(/^id: (\d+)$/gm)].map(([, id]) => Number(id))

test.each([
  { maxBuffered: 262_144, count: COUNT, size: SIZE },
  // What waits is never more than the high-water mark, or only with the event that is to come.
  { maxBuffered: 65_536, count: 20_000, size: 1_000 },
  { maxBuffered: 65_536, count: 500, size: 40_000 },
])(
  'with overflow "block" a producer that never asks waits in place, and nothing is lost (%o)',
  async ({ maxBuffered, ...events }) => {
    const { app, reasons, flags, port, isBehind } = await serve({ maxBuffered }, events)
    const observer = new Observer(port, '/blocked', { flags, paused: true })
    await isBehind()
    // It has sent what fits and is not through, although it never waits itself: it blocks in send().
    expect(Atomics.load(flags, Flag.FINALLY)).toBe(0)
    observer.read()
    const { body, complete } = await observer.over()
    expect(complete).toBe(true)
    expect(idsOf(body)).toEqual(Array.from({ length: events.count }, (_, n) => n))
    expect(reasons).toEqual(['ended'])
    await app.close()
    await observer.dismiss()
  },
)

test('readySync() waits in place until the client has caught up', async () => {
  const { app, reasons, flags, port } = await serve({ maxBuffered: 4_194_304 })
  const observer = new Observer(port, '/waiting', { flags, paused: true })
  await untilRaised(flags, Flag.SEEN)
  observer.read()
  const { body } = await observer.over()
  expect(idsOf(body)).toEqual(IDS)
  expect(reasons).toEqual(['ended'])
  await app.close()
  await observer.dismiss()
})

for (const path of ['/blocked', '/waiting']) {
  test(`a client that leaves wakes a producer that waits in place (${path})`, async () => {
    const { app, reasons, flags, port } = await serve({ maxBuffered: 4_194_304 })
    const observer = new Observer(port, path, { flags, paused: true })
    await untilRaised(flags, path === '/blocked' ? Flag.STARTED : Flag.SEEN)
    observer.leave()
    await untilRaised(flags, Flag.FINALLY)
    await app.close()
    expect(reasons).toEqual(['client'])
    await observer.dismiss()
  })
}

test('a client that does not read holds up no neighbour on the same thread', async () => {
  const { app, reasons, flags, port } = await serve({ maxBuffered: 4_194_304 })
  const stuck = new Observer(port, '/asking', { flags, paused: true })
  await untilRaised(flags, Flag.SEEN)
  const { body, complete } = await new Observer(port, '/asking').over()
  expect(complete).toBe(true)
  expect(idsOf(body)).toEqual(IDS)
  expect(reasons).toEqual(['ended'])
  stuck.leave()
  await app.close()
  await stuck.dismiss()
})

test('overflow "block" is refused where producers have no thread to spare', async () => {
  const app = Fastify()
  await app.register(headfirst)
  expect(() => app.get('/', { sse: { overflow: 'block' } }, async () => '')).toThrow(
    expect.objectContaining({ code: 'HF_ERR_OPTION_INVALID' }),
  )
  await app.close()
})

test("readySync() throws on the server's thread", async () => {
  const app = Fastify()
  await app.register(headfirst)
  app.get('/', { sse: true }, async (_, reply) =>
    reply.sse(async (stream) => {
      try {
        stream.readySync()
      } catch (error) {
        stream.send((error as { code: string }).code)
      }
    }),
  )
  const { body } = await app.inject('/')
  expect(body).toBe('data: HF_ERR_CANNOT_BLOCK\n\n')
  await app.close()
})

const refused = (shown: string, given: string): string =>
  `data: ${shown}: Option "timeoutMs" in stream.readySync() must be a number of milliseconds from 0, but got ${given}. Give it such a value.\n\n`

test('readySync() refuses a time that is none, and does not wait for ever', async () => {
  const app = Fastify()
  await app.register(headfirst, { executors: { threads: workers({ threads: 1 }) } })
  app.get('/', { sse: { executor: 'threads' } }, async (_, reply) => reply.sse(waitsWrongly))
  const { body } = await app.inject('/')
  expect(body).toBe(
    `${refused('NaN', 'NaN')}${refused('-1', '-1')}${refused('5', '"5"')}${refused('null', 'null')}data: 0: true\n\n`,
  )
  await app.close()
})
