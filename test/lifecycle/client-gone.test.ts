import type { Socket } from 'node:net'
import type { FastifyRequest } from 'fastify'
import { describe, expect, test } from 'vitest'
import { producer, workers, type PortableProducer } from '../../src/index.ts'
import { Flag, makeFlags, raise, untilRaised, until } from '../../src/testing/flags.ts'
import { get, type RawClient } from '../support/raw-client.ts'
import { Testbed } from '../support/testbed.ts'
import { turns } from '../support/waiting.ts'
import { EXECUTORS } from '../support/executors.ts'
import * as endless from '../support/producers/endless.ts'
import * as flooding from '../support/producers/flooding.ts'
import { type Watched, makeReason, reasonIn } from '../support/producers/flagged.ts'
import { Gate } from '../support/gate.ts'

interface Seen {
  signals: AbortSignal[]
  hooks: string[]
}

/** Notes the signal of each request, and which of Fastify's hooks tell how it went. */
function observe({ app }: Testbed): Seen {
  const seen: Seen = { signals: [], hooks: [] }
  app.addHook('onRequest', async (request: FastifyRequest) => {
    seen.signals.push(request.signal)
  })
  app.addHook('onResponse', async () => {
    seen.hooks.push('onResponse')
  })
  app.addHook('onRequestAbort', (_request, done) => {
    seen.hooks.push('onRequestAbort')
    done()
  })
  return seen
}

/** Nothing has begun, nothing counts, nothing is waited for by a shutdown, and the request was told. */
async function expectNoStream(
  testbed: Testbed,
  { signals, hooks }: Seen,
  started: () => number,
): Promise<void> {
  await until(() => signals.every(({ aborted }) => aborted), 'request.signal')
  await testbed.idle()
  await turns()
  expect(started()).toBe(0)
  expect(testbed.closed).toEqual([])
  expect(hooks).toEqual(['onRequestAbort'])
  for (const { open, opened } of Object.values(testbed.app.sse.stats().routes)) {
    expect({ open, opened }).toEqual({ open: 0, opened: 0 })
  }
  await testbed.app.close()
}

/** A shutdown may take ten minutes: where it waits for a stream that is gone, the test does not end. */
const graceMs = 600_000

describe.each(EXECUTORS)('on executor %s, a client that is gone', (executor) => {
  test('before reply.sse() is called starts nothing', async () => {
    const testbed = await Testbed.everywhere({ executor, graceMs })
    const seen = observe(testbed)
    const flags = makeFlags()
    const gate = new Gate()
    testbed.app.get('/', { sse: true }, async (_, reply) => {
      await gate.pass()
      return reply.sse(endless.promise, { flags, reason: makeReason() })
    })
    const client = await testbed.ask('/')
    await gate.reached()
    client.destroy()
    await until(() => seen.hooks.length > 0, 'the end of the request')
    gate.open()
    await turns()
    await expectNoStream(testbed, seen, () => flags[Flag.STARTED] as number)
    expect(testbed.app.sse.stats().executors[executor]).toMatchObject({ admitted: 0 })
  })

  test('before reply.sse() is called for a request in its pipeline starts nothing', async () => {
    const testbed = await Testbed.everywhere({ executor, graceMs })
    const flags = makeFlags()
    const gate = new Gate()
    let handled = 0
    testbed.app.get('/:n', { sse: true }, async (_, reply) => {
      await gate.pass()
      reply.sse(endless.promise, { flags, reason: makeReason() })
      handled++
      return reply
    })
    const client = await testbed.connect()
    client.send(get('/1') + get('/2'))
    await gate.reached(2)
    client.destroy()
    await testbed.unconnected()
    gate.open()
    await until(() => handled === 2, 'both handlers to be done')
    await turns()
    expect(flags[Flag.STARTED]).toBe(0)
    expect(testbed.closed).toEqual([])
    expect(testbed.counted).toBe(0)
    await testbed.app.close()
  })

  test('while onSend waits starts nothing', async () => {
    const testbed = await Testbed.everywhere({ executor, graceMs })
    const seen = observe(testbed)
    const flags = makeFlags()
    const gate = new Gate()
    testbed.app.addHook('onSend', async () => gate.pass())
    testbed.route('/', endless.promise, { flags, reason: makeReason() })
    const client = await testbed.ask('/')
    await gate.reached()
    expect(testbed.app.sse.stats().executors[executor]).toMatchObject({ waiting: 1 })
    client.destroy()
    // It is not held by the hook.
    await testbed.idle()
    gate.open()
    await expectNoStream(testbed, seen, () => flags[Flag.STARTED] as number)
  })

  test.each<[string, PortableProducer<Watched>]>([
    ['generator', endless.generator],
    ['async generator', endless.asyncGenerator],
    ['promise', endless.promise],
    ['subscription', endless.subscription],
  ])('during a producer (%s) cancels it', async (_, cancelled) => {
    const testbed = await Testbed.everywhere({ executor, graceMs, highWaterMark: 4_096 })
    const seen = observe(testbed)
    const watched: Watched = { flags: makeFlags(), reason: makeReason() }
    testbed.route<Watched>('/', cancelled, watched)
    const client = await testbed.ask('/')
    await client.including('data: 0\n\n')
    client.destroy()
    await untilRaised(watched.flags, Flag.FINALLY)
    await untilRaised(watched.flags, Flag.SEEN)
    await testbed.idle()
    expect(await testbed.closeInfo()).toMatchObject({ reason: 'client', executor })
    await until(() => seen.hooks.length > 0, 'the hook')
    expect(seen.hooks).toEqual(['onRequestAbort'])
    expect(seen.signals[0]?.aborted).toBe(true)
    await testbed.app.close()
    expect(testbed.closed).toHaveLength(1)
    const { [Flag.SEEN]: times = 0 } = watched.flags
    expect([times, reasonIn(watched.reason)]).toEqual([1, 'client'])
    expect(testbed.logged).toEqual([])
  })

  describe('during the drain, when the producer is done,', () => {
    /** The server's ends. */
    const sockets: Socket[] = []

    async function draining(): Promise<{ testbed: Testbed; client: RawClient; seen: Seen }> {
      const testbed = await Testbed.everywhere({ executor, graceMs })
      const seen = observe(testbed)
      const flags = makeFlags()
      sockets.length = 0
      testbed.app.server.on('connection', (socket) => sockets.push(socket))
      testbed.route('/', flooding.fills, { flags })
      const client = await testbed.connect()
      client.socket.pause()
      client.send(get('/'))
      await untilRaised(flags, Flag.FINALLY)
      await until(() => testbed.app.sse.stats().executors[executor]?.running === 0, 'the producer to be done')
      return { testbed, client, seen }
    }

    test('is the reason of the close, since it has not got all', async () => {
      const { testbed, client } = await draining()
      expect(testbed.counted).toBe(1)
      expect(testbed.closed).toEqual([])
      client.socket.resetAndDestroy()
      expect((await testbed.closeInfo()).reason).toBe('client')
      await testbed.idle()
      await testbed.app.close()
      expect(testbed.closed).toHaveLength(1)
    })

    test('is also what a connection counts as that the server destroys', async () => {
      const { testbed } = await draining()
      for (const socket of sockets) socket.destroy()
      expect((await testbed.closeInfo()).reason).toBe('client')
      await testbed.idle()
    })

    test('unlike one that reads on', async () => {
      const { testbed, client, seen } = await draining()
      client.socket.resume()
      const { complete, body } = await client.response()
      expect(complete).toBe(true)
      const { reason, bytes, events } = await testbed.closeInfo()
      expect({ reason, bytes }).toEqual({ reason: 'ended', bytes: body.length })
      expect(events).toBe(body.split('\n\n').length - 1)
      await testbed.idle()
      expect(seen.signals[0]?.aborted).toBe(false)
      expect(testbed.closed).toHaveLength(1)
    })
  })
})

describe('a client that is gone between its head and its producer', () => {
  test('leaves the queue of deferred', async () => {
    const testbed = await Testbed.everywhere({ executor: 'deferred', graceMs })
    const seen = observe(testbed)
    const flags = makeFlags()
    testbed.route('/', endless.promise, { flags, reason: makeReason() })
    // Those of one connection come in one turn of the loop, before any producer has its turn.
    const ahead = makeFlags()
    const order: string[] = []
    testbed.app.get('/ahead', { sse: true }, async (_, reply) =>
      reply.sse(async () => {
        order.push('ahead')
        raise(ahead, Flag.STARTED)
        client.destroy()
        // While the next one waits for its turn.
        await testbed.unconnected()
      }),
    )
    const client = await testbed.connect()
    const other = await testbed.ask('/ahead')
    client.send(get('/'))
    await untilRaised(ahead, Flag.STARTED)
    other.destroy()
    await testbed.idle()
    const infos = testbed.closed.filter(({ timings }) => timings.startedMs === undefined)
    expect(testbed.closed).toHaveLength(2)
    expect(infos.map(({ reason }) => reason)).toEqual(flags[Flag.STARTED] === 0 ? ['client'] : [])
    expect(seen.signals.map(({ aborted }) => aborted)).toEqual([true, true])
    await testbed.app.close()
  })

  test('leaves the queue of workers', async () => {
    const testbed = await Testbed.everywhere({
      executor: 'workers',
      executors: { workers: workers({ threads: 1, streamsPerThread: 1, niceIncrement: 0 }) },
      graceMs,
    })
    const seen = observe(testbed)
    const first: Watched = { flags: makeFlags(), reason: makeReason() }
    const second: Watched = { flags: makeFlags(), reason: makeReason() }
    testbed.route<Watched>('/first', endless.promise, first)
    testbed.route<Watched>('/second', endless.promise, second)
    const holder = await testbed.ask('/first')
    await untilRaised(first.flags, Flag.STARTED)
    const client = await testbed.ask('/second')
    await client.head()
    client.destroy()
    const { reason, timings } = await testbed.closeInfo()
    expect({ reason, started: timings.startedMs }).toEqual({ reason: 'client', started: undefined })
    expect(timings.headMs).toBeTypeOf('number')
    expect(testbed.app.sse.stats().executors['workers']).toMatchObject({ running: 1, waiting: 0 })
    holder.destroy()
    await testbed.idle()
    expect(second.flags[Flag.STARTED]).toBe(0)
    expect(seen.signals.map(({ aborted }) => aborted)).toEqual([true, true])
    expect(testbed.closed).toHaveLength(2)
    await testbed.app.close()
  })
})

test('a client that is gone while its producer’s module is loaded starts nothing', async () => {
  const testbed = await Testbed.everywhere({ executor: 'workers', graceMs })
  const seen = observe(testbed)
  let reached = false
  let open!: () => void
  const opened = new Promise<void>((resolve) => (open = resolve))
  Object.assign(globalThis, { gate: { opened, reached: () => (reached = true) } })
  // The same as the module makes when it is loaded in the end.
  const late: PortableProducer = producer(new URL('./client-gone-module.ts', import.meta.url).href, () => {})
  testbed.route('/', late, undefined)
  const client = await testbed.ask('/')
  await until(() => reached, 'the module to be loaded')
  client.destroy()
  await until(() => seen.hooks.length > 0, 'the end of the request')
  open()
  await expectNoStream(testbed, seen, () => 0)
  expect(testbed.app.sse.stats().executors['workers']).toMatchObject({ admitted: 0, threads: 0 })
})
