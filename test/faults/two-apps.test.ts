import Fastify, { type FastifyInstance } from 'fastify'
import { expect, onTestFinished, test } from 'vitest'
import headfirst, { workers, type Executor } from '../../src/index.ts'
import { Flag, makeFlags, raise, untilRaised, type Flags } from '../../src/testing/flags.ts'
import { openStream, type OpenedStream } from '../../src/testing/index.ts'
import { untilPatiently as until } from '../support/waiting.ts'
import { count } from '../support/producers/plain.ts'
import { neverStops } from '../support/producers/blocking.ts'
import { ticks } from '../support/producers/endless.ts'

const pool = (): Executor => workers({ threads: 1, niceIncrement: 0, graceMs: 50 })

/** An app with the same registrations, names and paths as the other one, the second of them encapsulated. */
async function serve(flags: Flags): Promise<FastifyInstance> {
  const app = Fastify({ logger: false })
  await app.register(headfirst, { executor: 'pool', executors: { pool: pool() }, maxBuffered: 2 ** 26 })
  const routes = async (scope: FastifyInstance): Promise<void> => {
    scope.get('/ticks', { sse: true }, async (_, reply) => reply.sse(ticks, { flags }))
    scope.get('/beside', { sse: { executor: 'inline' } }, async (_, reply) => reply.sse(ticks, { flags }))
    scope.get('/count', { sse: true }, async (_, reply) => reply.sse(count, { events: 3 }))
    scope.get('/stuck', { sse: true }, async (_, reply) => reply.sse(neverStops, { flags }))
  }
  await routes(app)
  await app.register(
    async (scope) => {
      await scope.register(headfirst, { executors: { pool: pool() } })
      await routes(scope)
    },
    { prefix: '/inner' },
  )
  onTestFinished(async () => app.close())
  return app
}

const TIMEOUT = { timeout: 60_000 }

const PREFIXES = ['', '/inner']

async function openTicks(app: FastifyInstance): Promise<OpenedStream[]> {
  const paths = PREFIXES.flatMap((prefix) => [`${prefix}/ticks`, `${prefix}/beside`])
  return Promise.all(paths.map(async (path) => openStream(app, { path })))
}

async function read(stream: OpenedStream): Promise<string[]> {
  const data: string[] = []
  for await (const event of stream.events) data.push(event.data)
  return data
}

async function expectServing(app: FastifyInstance): Promise<void> {
  for (const prefix of PREFIXES) {
    expect(await read(await openStream(app, { path: `${prefix}/count` }))).toEqual(['0', '1', '2'])
  }
}

test(
  'of two apps in one process, with nested registrations, one closes while the other misses nothing',
  TIMEOUT,
  async () => {
    const flags = { closing: makeFlags(), staying: makeFlags() }
    const closing = await serve(flags.closing)
    const staying = await serve(flags.staying)
    const [leaving, left] = [await openTicks(closing), await openTicks(staying)]
    await untilRaised(flags.closing, Flag.STARTED, 4)
    await untilRaised(flags.staying, Flag.STARTED, 4)
    // Two of its threads never look up.
    const stuck = await Promise.all(
      PREFIXES.map(async (prefix) => openStream(closing, { path: `${prefix}/stuck` })),
    )
    await untilRaised(flags.closing, Flag.STARTED, 6)

    const closed = closing.close()
    for (const stream of [...leaving, ...stuck]) {
      expect(await stream.text()).toMatch(/: the server is closing\nretry: \d+\n$/)
    }
    await expectServing(staying)
    await closed
    await expectServing(staying)

    // Counted apart, under the same names.
    for (const name of ['GET /ticks', 'GET /beside']) {
      expect(closing.sse.stats().routes[name]).toMatchObject({ open: 0, opened: 1, closed: { shutdown: 1 } })
      expect(staying.sse.stats().routes[name]).toMatchObject({ open: 1, opened: 1, closed: {} })
    }
    expect(closing.sse.stats().executors['pool']).toMatchObject({ running: 0, waiting: 0 })
    await until(() => closing.sse.stats().executors['pool']?.threads === 0, 'no thread of the closed app')
    expect(staying.sse.stats().executors['pool']).toMatchObject({ running: 1, threads: 1, lost: 0 })

    raise(flags.staying, Flag.GO)
    for (const stream of left) {
      const data = await read(stream)
      expect(data.pop()).toBe('done')
      expect(data.length).toBeGreaterThan(0)
      expect(data).toEqual(data.map((_, n) => String(n)))
      expect(await stream.closed).toEqual({ complete: true })
    }
    await expectServing(staying)
  },
)

test('threads that die in one app are none of the other’s', TIMEOUT, async () => {
  const flags = { dying: makeFlags(), living: makeFlags() }
  const dying = await serve(flags.dying)
  const living = await serve(flags.living)
  const ticking = await openTicks(living)
  const beside = await openStream(dying, { path: '/inner/ticks' })
  await untilRaised(flags.living, Flag.STARTED, 4)
  await untilRaised(flags.dying, Flag.STARTED)
  for (let round = 0; round < 2; round++) {
    const stuck = await openStream(dying, { path: '/stuck' })
    expect((await stuck.next())?.data).toBe('up')
    // Its thread is terminated after its grace, and replaced.
    await stuck.close()
    await until(() => dying.sse.stats().executors['pool']?.running === 0, 'the end of its thread')
    const neighbour = await openStream(dying, { path: '/count' })
    expect(await read(neighbour)).toEqual(['0', '1', '2'])
  }
  expect(living.sse.stats().executors['pool']).toMatchObject({ lost: 0, threads: 1 })
  raise(flags.living, Flag.GO)
  raise(flags.dying, Flag.GO)
  // The nested registration of the same app has a pool of its own, too.
  for (const stream of [...ticking, beside]) {
    const data = await read(stream)
    expect(data.pop()).toBe('done')
    expect(data).toEqual(data.map((_, n) => String(n)))
  }
})
