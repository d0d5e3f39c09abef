import { createHook } from 'node:async_hooks'
import { describe, expect, onTestFinished, test } from 'vitest'
import headfirst, {
  workers,
  type CloseInfo,
  type HeadfirstOptions,
  type PortableProducer,
  type SseRouteOptions,
  type StreamTimeoutError,
  type TimeLimit,
  type WorkersOptions,
} from '../../src/index.ts'
import { Flag, makeFlags, raise, until, untilRaised, type Flags } from '../../src/testing/flags.ts'
import { get, type RawClient, type Received } from '../support/raw-client.ts'
import { Testbed } from '../support/testbed.ts'
import * as producers from './timeouts-producers.ts'
import { neverStops } from '../support/producers/blocking.ts'
import { EXECUTORS } from '../support/executors.ts'

/** Short enough to strike soon. */
const SHORT_MS = 40
/** Longer than any test takes. */
const LONG_MS = 600_000
/** Longer than a thread on a busy machine is kept from sending. */
const PATIENT_MS = 400

/** More than the kernel takes for a client that does not read. */
const FLOOD_BYTES = 8 * 2 ** 20

const NONE = { firstEventMs: 0, idleMs: 0, totalMs: 0 }

class Server {
  readonly testbed: Testbed
  #routes = 0
  #warm = false

  constructor(testbed: Testbed) {
    this.testbed = testbed
  }

  static async make(options: Omit<HeadfirstOptions, 'onClose'>, pool: WorkersOptions = {}): Promise<Server> {
    const executors = { workers: workers({ threads: 1, niceIncrement: 0, ...pool }) }
    return new Server(await Testbed.make({ executors, maxBuffered: 2 ** 26, ...options }))
  }

  /** Adds a route; before the first client. */
  route<Input>(producer: PortableProducer<Input>, input: Input, sse: SseRouteOptions = {}): string {
    const path = `/${this.#routes++}`
    this.testbed.app.get(path, { sse }, async (_, reply) => reply.sse(producer as never, input as never))
    return path
  }

  /** A client that is connected. By the first one the threads have started: that takes longer than some limits. */
  async connect(): Promise<RawClient> {
    if (!this.#warm) {
      this.#warm = true
      const flags = makeFlags()
      raise(flags, Flag.GO)
      this.testbed.app.get('/warm', { sse: { timeouts: NONE, onClose: () => {} } }, async (_, reply) =>
        reply.sse(producers.late, { flags }),
      )
      await this.testbed.request('/warm')
      await this.testbed.idle()
    }
    return this.testbed.connect()
  }

  async request(path: string): Promise<Received> {
    const client = await this.connect()
    client.send(get(path))
    return client.response()
  }

  /** A client that has its head. */
  async open(path: string): Promise<RawClient> {
    const client = await this.connect()
    client.send(get(path))
    await client.head()
    return client
  }
}

function expectStruck({ reason, error }: CloseInfo, timeout: TimeLimit, ms: number): void {
  expect({ reason, error }).toMatchObject({
    reason: 'timeout',
    error: { code: 'HF_ERR_STREAM_TIMEOUT', timeout },
  })
  expect((error as Error).message).toMatch(`The time limit ${timeout} has closed the event stream: `)
  expect((error as Error).message).toMatch(`${ms} ms`)
}

const defaults = (timeouts: SseRouteOptions['timeouts']): SseRouteOptions =>
  timeouts === undefined ? {} : { timeouts }

/** For a server with one stream. */
async function expectClosedBy(server: Server, flags: Flags, timeout: TimeLimit, ms: number): Promise<void> {
  const { testbed } = server
  expectStruck(await testbed.closeInfo(), timeout, ms)
  await untilRaised(flags, Flag.SEEN)
  await testbed.idle()
  expect(testbed.logged).toEqual([])
  expect(testbed.closed).toHaveLength(1)
  expect(testbed.app.sse.stats().routes['GET /0']?.closed).toEqual({ timeout: 1 })
}

describe.each(EXECUTORS)('on %s', (executor) => {
  /** For limits that run from the head: the producer has started by then. */
  const limitMs = executor === 'workers' ? PATIENT_MS : 4 * SHORT_MS

  async function serve<Input>(
    producer: PortableProducer<Input>,
    input: Input,
    timeouts: SseRouteOptions['timeouts'],
    more: SseRouteOptions = {},
  ): Promise<Server> {
    const server = await Server.make({ executor })
    server.route(producer, input, { timeouts, ...more } as SseRouteOptions)
    return server
  }

  test('firstEventMs closes a stream without an event', async () => {
    const flags = makeFlags()
    const timeouts = { firstEventMs: limitMs, idleMs: LONG_MS, totalMs: LONG_MS }
    const server = await serve(producers.silent, { flags }, timeouts, { heartbeatMs: 10, retryMs: 5 })
    const { status, body } = await server.request('/0')
    expect(status).toBe(200)
    expect(body).toMatch(/^retry: 5\n(:\n)*$/)
    await expectClosedBy(server, flags, 'firstEventMs', limitMs)
    expect(server.testbed.closed[0]).toMatchObject({ events: 0, timings: { firstEventMs: undefined } })
  })

  test('idleMs closes a stream that falls silent, after what it has sent', async () => {
    const flags = makeFlags()
    const timeouts = { firstEventMs: LONG_MS, idleMs: SHORT_MS, totalMs: LONG_MS }
    const server = await serve(producers.once, { flags }, timeouts)
    expect((await server.request('/0')).body).toBe('data: up\n\n')
    await expectClosedBy(server, flags, 'idleMs', SHORT_MS)
  })

  test('comments and heartbeats are no events to idleMs', async () => {
    const flags = makeFlags()
    const server = await serve(producers.comments, { flags }, { idleMs: SHORT_MS }, { heartbeatMs: 1 })
    expect((await server.request('/0')).body).toMatch(/^(:\n)*data: up\n\n(: here\n|:\n)+$/)
    await expectClosedBy(server, flags, 'idleMs', SHORT_MS)
  })

  test('totalMs closes a stream that sends, between two events', async () => {
    const flags = makeFlags()
    const timeouts = { firstEventMs: LONG_MS, idleMs: LONG_MS, totalMs: limitMs }
    const server = await serve(producers.ticks, { flags }, timeouts)
    expect((await server.request('/0')).body).toMatch(/^(data: tick\n\n)*$/)
    await expectClosedBy(server, flags, 'totalMs', limitMs)
  })

  test('the limit that is reached first strikes, and no other after it', async () => {
    const flags = makeFlags()
    const timeouts = { firstEventMs: 2 * limitMs, idleMs: limitMs / 2, totalMs: limitMs }
    const server = await serve(producers.silent, { flags }, timeouts)
    expect((await server.request('/0')).body).toBe('')
    await expectClosedBy(server, flags, 'totalMs', limitMs)
  })

  test('none strikes a stream that keeps to it, however often idleMs goes by', async () => {
    const server = await Server.make({ executor })
    const [flags, others] = [makeFlags(), makeFlags()]
    const timeouts = { firstEventMs: 2 * PATIENT_MS, idleMs: PATIENT_MS, totalMs: LONG_MS }
    const busy = await (async (path) => {
      // The others are silent, so that whoever is closed first is one of them.
      server.route(producers.once, { flags: others }, { timeouts })
      return server.open(path)
    })(server.route(producers.ticks, { flags }, { timeouts }))
    for (let n = 0; n < 3; n++) {
      await server.request('/1')
      expectStruck(server.testbed.closed[n] as CloseInfo, 'idleMs', PATIENT_MS)
    }
    raise(flags, Flag.GO)
    expect((await busy.response()).body).toMatch(/^(data: tick\n\n)+data: done\n\n$/)
    const { reason, error } = await server.testbed.closeInfo(3)
    expect({ reason, error }).toEqual({ reason: 'ended', error: undefined })
  })

  test('idleMs does not run before the first event', async () => {
    const server = await Server.make({ executor })
    const [flags, others] = [makeFlags(), makeFlags()]
    const timeouts = { idleMs: SHORT_MS }
    server.route(producers.late, { flags }, { timeouts })
    server.route(producers.once, { flags: others }, { timeouts })
    const client = await server.open('/0')
    for (let n = 0; n < 3; n++) await server.request('/1')
    raise(flags, Flag.GO)
    expect((await client.response()).body).toBe('data: late\n\n')
    expect((await server.testbed.closeInfo(3)).reason).toBe('ended')
  })

  test('idleMs is kept where firstEventMs is much longer', async () => {
    const flags = makeFlags()
    const server = await serve(producers.once, { flags }, { firstEventMs: LONG_MS, idleMs: SHORT_MS })
    expect((await server.request('/0')).body).toBe('data: up\n\n')
    await expectClosedBy(server, flags, 'idleMs', SHORT_MS)
  })

  test('0 is no limit', async () => {
    const server = await Server.make({ executor, timeouts: { idleMs: SHORT_MS, firstEventMs: SHORT_MS } })
    const [flags, others] = [makeFlags(), makeFlags()]
    server.route(producers.late, { flags }, { timeouts: { firstEventMs: 0, idleMs: 0, totalMs: 0 } })
    server.route(producers.once, { flags: others })
    const client = await server.open('/0')
    for (let n = 0; n < 3; n++) await server.request('/1')
    raise(flags, Flag.GO)
    expect((await client.response()).body).toBe('data: late\n\n')
  })

  test('totalMs cuts a client that does not read a stream that has ended', async () => {
    const flags = makeFlags()
    const input = { flags, bytes: FLOOD_BYTES, ends: true }
    const server = await serve(producers.floods, input, { idleMs: SHORT_MS, totalMs: PATIENT_MS })
    const client = await server.connect()
    client.socket.pause()
    client.send(get('/0'))
    const info = await server.testbed.closeInfo()
    expectStruck(info, 'totalMs', PATIENT_MS)
    client.socket.resume()
    await client.closed()
    expect(client.responses[0]?.complete).not.toBe(true)
    await server.testbed.idle()
    expect(server.testbed.closed).toHaveLength(1)
  })

  test('a client that does not read delays no limit, and is cut', async () => {
    const flags = makeFlags()
    const input = { flags, bytes: FLOOD_BYTES, ends: false }
    const server = await serve(producers.floods, input, { idleMs: SHORT_MS })
    const client = await server.connect()
    client.socket.pause()
    client.send(get('/0'))
    await untilRaised(flags, Flag.SEEN)
    expectStruck(await server.testbed.closeInfo(), 'idleMs', SHORT_MS)
    client.socket.resume()
    await client.closed()
    expect(client.responses[0]?.complete).not.toBe(true)
    await server.testbed.idle()
  })

  test('a client that reads late gets all that was taken before a limit struck', async () => {
    const flags = makeFlags()
    const input = { flags, bytes: FLOOD_BYTES, ends: false }
    const server = await serve(producers.floods, input, { idleMs: PATIENT_MS })
    const client = await server.connect()
    client.socket.pause()
    client.send(get('/0'))
    await untilRaised(flags, Flag.SEEN)
    client.socket.resume()
    const { body } = await client.response()
    const info = await server.testbed.closeInfo()
    expectStruck(info, 'idleMs', PATIENT_MS)
    expect(body.length).toBe(info.bytes)
    expect(body.endsWith('x\n\n')).toBe(true)
  })

  test('a shutdown, a client that leaves, an overflow and an error keep their own reason', async () => {
    const timeouts = { firstEventMs: LONG_MS, idleMs: LONG_MS, totalMs: LONG_MS }
    const server = await Server.make({ executor, timeouts, graceMs: 1_000 })
    const flags = makeFlags()
    const input = { flags, bytes: FLOOD_BYTES, ends: false }
    server.route(producers.once, { flags })
    server.route(producers.floods, input, { highWaterMark: 0, maxBuffered: 1_000 })
    server.route(producers.throws, { flags })
    const { testbed } = server

    const leaver = await server.open('/0')
    await leaver.including('up')
    leaver.destroy()
    expect((await testbed.closeInfo(0)).reason).toBe('client')

    const paused = await server.connect()
    paused.socket.pause()
    paused.send(get('/1'))
    expect((await testbed.closeInfo(1)).reason).toBe('overflow')

    await server.request('/2')
    expect(await testbed.closeInfo(2)).toMatchObject({ reason: 'error', error: { message: 'on purpose' } })

    const stays = await server.open('/0')
    await stays.including('up')
    const closed = testbed.app.close()
    expect((await testbed.closeInfo(3)).reason).toBe('shutdown')
    await closed
    expect(testbed.closed).toHaveLength(4)
  })

  test('no timer stays after a close', async () => {
    // Lengths that nobody else's timers have.
    const timeouts = { firstEventMs: 4 * 123_451, idleMs: 4 * 123_453, totalMs: 123_457 }
    const lengths = new Set([123_451, 123_453, timeouts.totalMs])
    const pending = new Set<number>()
    let made = 0
    const hook = createHook({
      init(id, type, _, resource) {
        if (type !== 'Timeout' || !lengths.has((resource as Record<string, number>)['_idleTimeout'] ?? 0))
          return
        made++
        pending.add(id)
      },
      destroy: (id) => void pending.delete(id),
    }).enable()
    onTestFinished(() => void hook.disable())

    const flags = makeFlags()
    const server = await Server.make({ executor, timeouts })
    server.route(producers.once, { flags })
    server.route(producers.throws, { flags })
    const { testbed } = server
    for (let n = 0; n < 10; n++) {
      const client = await server.open('/0')
      await client.including('up')
      client.destroy()
      await server.request('/1')
    }
    await testbed.closeInfo(19)
    expect(made).toBe(40)
    await until(() => pending.size === 0, 'no timer')
  })
})

describe('on workers', () => {
  test('a stream that waits for a thread is closed by firstEventMs, and never starts', async () => {
    const server = await Server.make({ executor: 'workers' }, { streamsPerThread: 1 })
    const [flags, never] = [makeFlags(), makeFlags()]
    server.route(producers.ticks, { flags })
    server.route(producers.silent, { flags: never }, { timeouts: { firstEventMs: SHORT_MS } })
    const first = await server.open('/0')
    await untilRaised(flags, Flag.STARTED)
    expect((await server.request('/1')).body).toBe('')
    const info = await server.testbed.closeInfo()
    expectStruck(info, 'firstEventMs', SHORT_MS)
    expect(info.timings.startedMs).toBeUndefined()
    raise(flags, Flag.GO)
    await first.response()
    await server.testbed.idle()
    expect(never[Flag.STARTED]).toBe(0)
  })

  test('a producer that does not stop is terminated after the grace', async () => {
    const server = await Server.make({ executor: 'workers' }, { graceMs: 20 })
    const [flags, others] = [makeFlags(), makeFlags()]
    server.route(neverStops, { flags }, { timeouts: { idleMs: SHORT_MS } })
    server.route(producers.once, { flags: others }, { timeouts: { idleMs: SHORT_MS } })
    expect((await server.request('/0')).body).toBe('data: up\n\n')
    expectStruck(await server.testbed.closeInfo(), 'idleMs', SHORT_MS)
    await server.testbed.idle()
    expect((await server.request('/1')).body).toBe('data: up\n\n')
    expectStruck(await server.testbed.closeInfo(1), 'idleMs', SHORT_MS)
  })

  test('what came while the server’s thread was blocked counts', async () => {
    const server = await Server.make({ executor: 'workers' })
    const flags = makeFlags()
    const blocked = makeFlags()
    const block = (): void => {
      Atomics.wait(blocked, Flag.SEEN, 0, 2 * PATIENT_MS)
      raise(blocked, Flag.SEEN)
    }
    // In step with the timer that looks whether there was an event: it has just looked, and is due again before the
    // loop reads what the thread has sent meanwhile.
    const onOpen = (): void => void setTimeout(() => setImmediate(block), PATIENT_MS / 4)
    const timeouts = { idleMs: PATIENT_MS, firstEventMs: PATIENT_MS }
    server.route(producers.ticks, { flags }, { timeouts, onOpen })
    const client = await server.open('/0')
    await untilRaised(blocked, Flag.SEEN)
    const events = (client.responses[0] as Received).chunks.length
    await client.until(() => (client.responses[0] as Received).chunks.length > events, 'another event')
    raise(flags, Flag.GO)
    await client.response()
    expect((await server.testbed.closeInfo()).reason).toBe('ended')
  })
})

describe('limits that a route does not set', () => {
  type Layers = Record<'outer' | 'inner' | 'route', SseRouteOptions['timeouts']>

  /** Which limit closes a stream of a route in a nested registration. */
  async function struck({ outer, inner, route }: Layers, producer: typeof producers.once): Promise<unknown> {
    const testbed = await Testbed.make(defaults(outer))
    await testbed.app.register(async (app) => {
      await app.register(headfirst, defaults(inner))
      app.get('/', { sse: defaults(route) }, async (_, reply) => reply.sse(producer, { flags: makeFlags() }))
    })
    await testbed.request('/')
    return ((await testbed.closeInfo()).error as StreamTimeoutError).timeout
  }

  const { silent, once } = producers
  const none = undefined

  test.each<[string, Layers, typeof once, TimeLimit]>([
    ['are the plugin’s', { outer: { idleMs: 20 }, inner: none, route: none }, once, 'idleMs'],
    [
      'each by itself',
      { outer: { idleMs: 20 }, inner: none, route: { firstEventMs: LONG_MS } },
      once,
      'idleMs',
    ],
    [
      'of all registrations around it',
      { outer: { totalMs: 40 }, inner: { idleMs: LONG_MS }, route: { firstEventMs: LONG_MS } },
      once,
      'totalMs',
    ],
    [
      'of the inner one where both set it',
      { outer: { idleMs: 20, firstEventMs: LONG_MS }, inner: { firstEventMs: 20 }, route: none },
      silent,
      'firstEventMs',
    ],
    [
      'unless it sets them to 0',
      { outer: { firstEventMs: 20, totalMs: 80 }, inner: none, route: { firstEventMs: 0 } },
      silent,
      'totalMs',
    ],
    [
      'also where it has them as undefined',
      { outer: { firstEventMs: 20 }, inner: {}, route: { firstEventMs: undefined } as never },
      silent,
      'firstEventMs',
    ],
  ])('%s', async (_, layers, producer, limit) => {
    expect(await struck(layers, producer)).toBe(limit)
  })
})
