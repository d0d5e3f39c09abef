/** One file: every way to be open while the server closes gets the same farewell, checked by one function. */
import { describe, expect, test } from 'vitest'
import headfirst, { producer, workers, type EventStream, type Executor } from '../../src/index.ts'
import { Flag, makeFlags, raise, untilRaised, until } from '../../src/testing/flags.ts'
import { get, type RawClient, type Received } from '../support/raw-client.ts'
import { Testbed } from '../support/testbed.ts'
import { turns } from '../support/waiting.ts'
import { EXECUTORS } from '../support/executors.ts'
import * as endless from '../support/producers/endless.ts'
import * as flooding from '../support/producers/flooding.ts'
import { makeReason, MANY } from '../support/producers/flagged.ts'
import { Gate } from '../support/gate.ts'

const FAREWELL = /^: the server is closing\nretry: (\d+)\n$/

/** The farewell is the last that came, whole, and keeps a browser away for longer than the grace. */
function expectFarewell({ status, body, complete }: Received, graceMs: number): void {
  expect({ status, complete }).toEqual({ status: 200, complete: true })
  const start = body.lastIndexOf(': the server is closing')
  const [, retry] = FAREWELL.exec(body.slice(start)) ?? []
  expect(Number(retry)).toBeGreaterThan(graceMs)
  // What came before it is whole events, one after the other, without a hole.
  const blocks = body.slice(0, start).split('\n\n')
  expect(blocks.pop()).toBe('')
  const events = blocks.filter(
    (block) => !block.startsWith(':') && block !== 'data: 0' && block !== 'data: more',
  )
  for (const [n, block] of events.entries()) {
    expect(block).toMatch(new RegExp(`^event: number\nid: ${n}\ndata: (number ${n}|x+)\ndata: of many$`))
  }
}

/** Clients that have their heads, each on a connection of its own. */
async function openMany(testbed: Testbed, path: string, count: number): Promise<RawClient[]> {
  const clients: RawClient[] = []
  for (let n = 0; n < count; n++) {
    const client = await testbed.ask(path)
    clients.push(client)
  }
  await Promise.all(clients.map(async (client) => client.head()))
  return clients
}

test('a thousand streams on all executors at once: nobody is cut, and nothing waits for who does not stop', async () => {
  const graceMs = 300
  const testbed = await Testbed.everywhere({
    graceMs,
    executors: { workers: workers({ threads: 2, streamsPerThread: 250, niceIncrement: 0, graceMs: 100 }) },
  })
  const stubborn = makeFlags()
  const obedient = { flags: makeFlags(), reason: makeReason() }
  for (const executor of EXECUTORS) {
    testbed.route(`/${executor}/stubborn`, endless.ignores, { flags: stubborn }, { executor })
    testbed.route(`/${executor}/obedient`, endless.promise, obedient, { executor })
  }
  const clients: RawClient[] = []
  for (const executor of EXECUTORS) {
    clients.push(...(await openMany(testbed, `/${executor}/stubborn`, 125)))
    clients.push(...(await openMany(testbed, `/${executor}/obedient`, 125)))
  }
  await untilRaised(stubborn, Flag.STARTED, 500)
  await untilRaised(obedient.flags, Flag.STARTED, 500)
  const late = await testbed.connect()

  const closed = testbed.app.close()
  late.send(get('/inline/stubborn'))
  expect((await late.response()).status).toBe(503)
  await closed

  for (const client of clients) expectFarewell(await client.response(), graceMs)
  expect(testbed.closed).toHaveLength(1_000)
  expect(new Set(testbed.closed.map(({ reason }) => reason))).toEqual(new Set(['shutdown']))
  for (const { open } of Object.values(testbed.app.sse.stats().routes)) expect(open).toBe(0)
  // On the server's thread nothing can stop them; they were named.
  expect(testbed.app.sse.stats().executors['inline']).toMatchObject({ running: 125, waiting: 0 })
  raise(stubborn, Flag.GO)
  await testbed.idle()
  expect(stubborn[Flag.STARTED]).toBe(500)
  expect(obedient.flags[Flag.STARTED]).toBe(500)
})

describe.each(EXECUTORS)('on executor %s, a shutdown', (executor) => {
  test('resolves at its grace with clients that do not read, after their onClose', async () => {
    const graceMs = 200
    const testbed = await Testbed.everywhere({ graceMs, executor, heartbeatMs: 0 })
    const flags = makeFlags()
    testbed.route('/', flooding.floods, { flags })
    const [reading, ...paused] = (await openMany(testbed, '/', 4)) as [RawClient, ...RawClient[]]
    for (const { socket } of paused) socket.pause()
    await untilRaised(flags, Flag.STARTED, 4)
    await reading.until(() => (reading.responses[0]?.body.length ?? 0) > MANY * 65_536, 'all events')
    await testbed.app.close()
    expect(testbed.closed.map(({ reason }) => reason)).toEqual(Array.from({ length: 4 }, () => 'shutdown'))
    expectFarewell(await reading.response(), graceMs)
    for (const client of paused) expect(client.responses[0]?.complete).toBe(false)
    for (const { open } of Object.values(testbed.app.sse.stats().routes)) expect(open).toBe(0)
  })

  test('gives who is behind, and reads on, all that was sent, and the farewell', async () => {
    const graceMs = 600_000
    const testbed = await Testbed.everywhere({ graceMs, executor, heartbeatMs: 0 })
    const flags = makeFlags()
    testbed.route('/', flooding.floods, { flags })
    const [client] = (await openMany(testbed, '/', 1)) as [RawClient]
    client.socket.pause()
    await untilRaised(flags, Flag.STARTED)
    await turns()
    const closed = testbed.app.close()
    await turns()
    client.socket.resume()
    expectFarewell(await client.response(), graceMs)
    await closed
    const { reason, bytes } = await testbed.closeInfo()
    expect({ reason, bytes }).toEqual({ reason: 'shutdown', bytes: client.responses[0]?.body.length })
  })

  test('starts no producer whose head is on its way, and its client gets head and farewell', async () => {
    const graceMs = 600_000
    let closing = false
    const sign: Executor = { run: () => {}, close: () => void (closing = true) }
    const testbed = await Testbed.everywhere({ graceMs, executor, executors: { sign } })
    const flags = makeFlags()
    const gate = new Gate()
    testbed.app.addHook('onSend', async () => gate.pass())
    testbed.route('/', endless.promise, { flags, reason: makeReason() })
    const client = await testbed.ask('/')
    await gate.reached()
    const closed = testbed.app.close()
    await until(() => closing, 'the shutdown to begin')
    gate.open()
    expectFarewell(await client.response(), graceMs)
    await closed
    const { reason, timings, events } = await testbed.closeInfo()
    expect({ reason, events, started: timings.startedMs }).toEqual({
      reason: 'shutdown',
      events: 0,
      started: undefined,
    })
    expect(flags[Flag.STARTED]).toBe(0)
    expect(testbed.counted).toBe(0)
  })

  /** A stream that has ended, and whose client has not read it. */
  async function endedUnread(graceMs: number): Promise<{ testbed: Testbed; client: RawClient }> {
    const testbed = await Testbed.everywhere({ graceMs, executor, heartbeatMs: 0 })
    const flags = makeFlags()
    testbed.route('/', flooding.fills, { flags })
    const client = await testbed.connect()
    client.socket.pause()
    client.send(get('/'))
    await untilRaised(flags, Flag.FINALLY)
    await until(() => testbed.app.sse.stats().executors[executor]?.running === 0, 'the producer to be done')
    return { testbed, client }
  }

  test('does not change how a stream went that had ended and is still read', async () => {
    const { testbed, client } = await endedUnread(600_000)
    const closed = testbed.app.close()
    await turns()
    client.socket.resume()
    const { body, complete } = await client.response()
    await closed
    expect(complete).toBe(true)
    expect(body).not.toContain('closing')
    const { reason, bytes } = await testbed.closeInfo()
    expect({ reason, bytes }).toEqual({ reason: 'ended', bytes: body.length })
  })

  test('is the reason where such a stream is not read within the grace', async () => {
    const { testbed } = await endedUnread(100)
    await testbed.app.close()
    expect(testbed.closed.map(({ reason }) => reason)).toEqual(['shutdown'])
    expect(testbed.counted).toBe(0)
  })
})

test('streams in the queue of deferred get their farewell, and are not started', async () => {
  const graceMs = 600_000
  const testbed = await Testbed.everywhere({ graceMs, executor: 'deferred' })
  let closed: Promise<void> | undefined
  let started = 0
  testbed.app.get('/', { sse: true }, async (_, reply) =>
    reply.sse(async (stream) => {
      started++
      // All have their heads by now, and wait for their turns.
      closed ??= testbed.app.close()
      await new Promise((resolve) => stream.signal.addEventListener('abort', resolve))
    }),
  )
  const clients = []
  for (let n = 0; n < 20; n++) clients.push(await testbed.connect())
  for (const client of clients) client.send(get('/'))
  for (const client of clients) expectFarewell(await client.response(), graceMs)
  await closed
  expect(testbed.closed.map(({ reason }) => reason)).toEqual(Array.from({ length: 20 }, () => 'shutdown'))
  const waited = testbed.closed.filter(({ timings }) => timings.startedMs === undefined)
  expect(waited.length).toBeGreaterThan(0)
  expect(waited).toHaveLength(20 - started)
  await testbed.idle()
})

test('streams in the queue of workers get their farewell, and are not started', async () => {
  const graceMs = 200
  const testbed = await Testbed.everywhere({
    graceMs,
    executor: 'workers',
    executors: { workers: workers({ threads: 1, streamsPerThread: 1, niceIncrement: 0, graceMs: 50 }) },
  })
  const flags = makeFlags()
  testbed.route('/', endless.ignores, { flags })
  const clients = await openMany(testbed, '/', 10)
  await untilRaised(flags, Flag.STARTED)
  await testbed.app.close()
  for (const client of clients) expectFarewell(await client.response(), graceMs)
  expect(flags[Flag.STARTED]).toBe(1)
  expect(testbed.closed.filter(({ timings }) => timings.startedMs !== undefined)).toHaveLength(1)
  expect(testbed.closed.map(({ reason }) => reason)).toEqual(Array.from({ length: 10 }, () => 'shutdown'))
})

test.each(EXECUTORS)(
  'on executor %s, producers that obey have cleaned up when it resolves',
  async (executor) => {
    const testbed = await Testbed.everywhere({ graceMs: 600_000, executor })
    const cleaned = makeFlags()
    testbed.route('/', endless.cleansUp, { flags: cleaned })
    await openMany(testbed, '/', 5)
    await untilRaised(cleaned, Flag.STARTED, 5)
    await testbed.app.close()
    expect(cleaned[Flag.FINALLY]).toBe(5)
    // None is named as one that still runs.
    expect(testbed.counted).toBe(0)
  },
)

describe('nested registrations', () => {
  test('their clients stay away for the longest grace of all, and each executor is closed', async () => {
    const testbed = await Testbed.everywhere({ graceMs: 600_000 })
    const order: string[] = []
    const named = (name: string): Executor => ({
      run: (task) => task.produce(),
      close: () => void order.push(name),
    })
    await testbed.app.register(async (outer) => {
      await outer.register(headfirst, {
        graceMs: 10,
        executors: { own: named('outer') },
        onClose: testbed.record,
      })
      outer.get('/outer', { sse: { executor: 'own' } }, async (_, reply) =>
        reply.sse((stream: EventStream) => void stream.send('0')),
      )
      await outer.register(async (inner) => {
        await inner.register(headfirst, { executors: { own: named('inner') }, onClose: testbed.record })
        inner.get('/inner', { sse: { executor: 'own' } }, async (_, reply) =>
          reply.sse((stream: EventStream) => void stream.send('0')),
        )
      })
    })
    const clients = [...(await openMany(testbed, '/outer', 2)), ...(await openMany(testbed, '/inner', 2))]
    await testbed.app.close()
    for (const client of clients) expectFarewell(await client.response(), 600_000)
    expect(order.toSorted()).toEqual(['inner', 'outer'])
    expect(testbed.closed.map(({ reason }) => reason)).toEqual(Array.from({ length: 4 }, () => 'shutdown'))
  })
})

test.each<[string, () => Promise<void> | void]>([
  [
    'throws',
    () => {
      throw new Error('cannot close')
    },
  ],
  [
    'rejects',
    async () => {
      await turns()
      throw new Error('cannot close')
    },
  ],
])('an executor whose close() %s is told when all streams are over', async (_, close) => {
  const failing: Executor = { run: (task) => task.produce(), close }
  const testbed = new Testbed()
  const { app } = testbed
  const order: string[] = []
  await app.register(headfirst, {
    graceMs: 100,
    maxBuffered: 2 ** 28,
    executors: { failing, other: { run: (task) => task.produce(), close: () => void order.push('other') } },
    executor: 'failing',
    onClose: testbed.record,
  })
  const flags = makeFlags()
  const filling = producer(import.meta.url, (stream: EventStream) => {
    for (let n = 0; n < MANY; n++) stream.send('x'.repeat(65_536))
    raise(flags, Flag.STARTED)
  })
  app.get('/', { sse: true }, async (_request, reply) => reply.sse(filling))
  const client = await testbed.connect()
  client.socket.pause()
  client.send(get('/'))
  await untilRaised(flags, Flag.STARTED)
  await expect(app.close()).rejects.toThrow('cannot close')
  expect(order).toEqual(['other'])
  expect(testbed.closed.map(({ reason }) => reason)).toEqual(['shutdown'])
  expect(testbed.counted).toBe(0)
})
