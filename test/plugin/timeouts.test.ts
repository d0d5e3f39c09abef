import { createHook } from 'node:async_hooks'
import { describe, expect, onTestFinished, test } from 'vitest'
import type { CloseInfo, PortableProducer, SseRouteOptions, TimeLimit } from '../../src/index.ts'
import { Flag, makeFlags, raise, until, untilRaised, type Flags } from '../../src/testing/flags.ts'
import { get, type RawClient } from '../support/raw-client.ts'
import * as producers from './timeouts-producers.ts'
import { EXECUTORS } from '../support/executors.ts'
import { SHORT_MS, LONG_MS, PATIENT_MS, Server, expectStruck } from './timeouts-server.ts'
import type { Timeouts } from '../../src/runtime/options.ts'

/** More than the kernel takes for a client that does not read. */
const FLOOD_BYTES = 8 * 2 ** 20

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

  /** A client that does not read what is more than it takes. */
  async function unread(
    ends: boolean,
    timeouts: Timeouts,
  ): Promise<{ server: Server; client: RawClient; flags: Flags }> {
    const flags = makeFlags()
    const server = await serve(producers.floods, { flags, bytes: FLOOD_BYTES, ends }, timeouts)
    const client = await server.connect()
    client.socket.pause()
    client.send(get('/0'))
    return { server, client, flags }
  }

  test('totalMs cuts a client that does not read a stream that has ended', async () => {
    const { server, client } = await unread(true, { idleMs: SHORT_MS, totalMs: PATIENT_MS })
    const info = await server.testbed.closeInfo()
    expectStruck(info, 'totalMs', PATIENT_MS)
    client.socket.resume()
    await client.closed()
    expect(client.responses[0]?.complete).not.toBe(true)
    await server.testbed.idle()
    expect(server.testbed.closed).toHaveLength(1)
  })

  test('a client that does not read delays no limit, and is cut', async () => {
    const { server, client, flags } = await unread(false, { idleMs: SHORT_MS })
    await untilRaised(flags, Flag.SEEN)
    expectStruck(await server.testbed.closeInfo(), 'idleMs', SHORT_MS)
    client.socket.resume()
    await client.closed()
    expect(client.responses[0]?.complete).not.toBe(true)
    await server.testbed.idle()
  })

  test('a client that reads late gets all that was taken before a limit struck', async () => {
    const { server, client, flags } = await unread(false, { idleMs: PATIENT_MS })
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
