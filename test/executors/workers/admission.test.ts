import type { FastifyInstance } from 'fastify'
import { describe, expect, test } from 'vitest'
import type { CloseReason } from '../../../src/index.ts'
import { Flag, makeFlags, raise, untilRaised, type Flags, until } from '../../../src/testing/flags.ts'
import { PoolTestbed, type PoolOptions } from '../../support/pool-testbed.ts'
import type { DecodingClient } from '../../support/decoding-client.ts'

/** A pool of one place whose thread is blocked, until GO is raised in the flags. */
async function blockedPool(
  options: PoolOptions = {},
): Promise<{ testbed: PoolTestbed; flags: Flags; first: DecodingClient }> {
  const testbed = await PoolTestbed.make({
    ...options,
    workers: { threads: 1, streamsPerThread: 1, ...options.workers },
  })
  const flags = makeFlags()
  let first: DecodingClient
  // Streams that come while the threads start may wait too long for their place.
  do {
    first = await testbed.open('blocks', { flags })
    await until(() => flags[Flag.STARTED] === 1 || first.complete === true, 'the first stream')
  } while (flags[Flag.STARTED] === 0)
  return { testbed, flags, first }
}

/** Comes to life between admission and the head; what it resolves with replaces the payload. */
const onSend =
  (hook: () => Promise<string | undefined>) =>
  (app: FastifyInstance): void => {
    app.addHook('onSend', async (_request, _reply, payload) => (await hook()) ?? payload)
  }

describe('a pool takes threads × streamsPerThread running and maxQueue waiting streams', () => {
  const workers = { threads: 2, streamsPerThread: 2, maxQueue: 3 }

  test('and refuses the next with 503 and Retry-After; its producer never runs', async () => {
    const testbed = await PoolTestbed.make({ workers })
    const flags = makeFlags()
    const running = await Promise.all([1, 2, 3, 4].map(async () => testbed.open('stays', { flags })))
    await untilRaised(flags, Flag.STARTED, 4)
    const waiting = await Promise.all([1, 2, 3].map(async () => testbed.open('stays', { flags })))
    expect(testbed.pool).toMatchObject({ running: 4, waiting: 3, admitted: 7, refused: 0, threads: 2 })

    const never = makeFlags()
    const refused = testbed.request('stays', { flags: never })
    const { statusCode, headers } = await refused.response()
    expect(statusCode).toBe(503)
    expect(Number(headers['retry-after'])).toBeGreaterThanOrEqual(1)
    expect(headers['content-type']).toContain('application/json')
    expect(JSON.parse(await refused.over())).toMatchObject({ statusCode: 503, code: 'HF_ERR_EXECUTOR_FULL' })
    expect(testbed.pool).toMatchObject({ running: 4, waiting: 3, admitted: 7, refused: 1 })

    for (const each of [...running, ...waiting]) each.leave()
    await testbed.idle()
    expect(never[Flag.STARTED]).toBe(0)
    expect(testbed.route('stays')).toMatchObject({ open: 0, opened: 7, closed: { client: 7 } })
    await testbed.serves()
  })

  test('and says when to try again: after as long as streams have taken so far', async () => {
    const retries: number[] = []
    const before = performance.now()
    const { testbed, flags, first } = await blockedPool({
      workers: { maxQueue: 0 },
      hooks: (app) => {
        app.setErrorHandler<Error & { retryAfterMs: number }>(async (error, _request, reply) => {
          retries.push(error.retryAfterMs)
          return reply.send(error)
        })
      },
    })
    const started = performance.now()
    for (let round = 0; round < 20; round++) await testbed.request('count', { events: 1 }).over()
    // No stream has come to its end.
    expect(retries).toEqual(Array.from({ length: 20 }, () => 0))
    const ending = performance.now()
    raise(flags, Flag.GO)
    await first.over()
    await testbed.idle()
    const after = performance.now()

    const { client: running, flags: next } = await testbed.start('blocks')
    const refused = testbed.request('count', { events: 1 })
    const { headers } = await refused.response()
    const retryAfterMs = retries.at(-1) as number
    expect(retryAfterMs).toBeGreaterThanOrEqual(ending - started)
    expect(retryAfterMs).toBeLessThanOrEqual(after - before)
    expect(headers['retry-after']).toBe(String(Math.ceil(retryAfterMs / 1_000)))
    raise(next, Flag.GO)
    await running.over()
  })

  test('with refusal "retry" it answers 200 with a retry field, and ends', async () => {
    const { testbed, flags, first } = await blockedPool({
      workers: { maxQueue: 0 },
      route: { refusal: 'retry' },
    })
    const never = makeFlags()
    const refused = await testbed.open('stays', { flags: never })
    expect(refused.status).toBe(200)
    expect((await refused.response()).headers['content-type']).toBe('text/event-stream')
    expect(await refused.over()).toMatch(/^retry: \d{4,}\n$/)
    expect(refused.complete).toBe(true)
    expect(testbed.pool).toMatchObject({ running: 1, waiting: 0, admitted: 1, refused: 1 })
    expect(testbed.route('stays').opened).toBe(0)
    raise(flags, Flag.GO)
    await first.over()
    await testbed.idle()
    expect(never[Flag.STARTED]).toBe(0)
  })
})

describe('a stream that waits', () => {
  test('has its head, and gets heartbeats while every thread blocks', async () => {
    const { testbed, flags, first } = await blockedPool({ route: { heartbeatMs: 20 } })
    const waiting = await testbed.open('count', { events: 2 })
    expect(waiting.status).toBe(200)
    await waiting.got(':\n:\n')
    expect(waiting.events).toEqual([])
    expect(testbed.pool).toMatchObject({ running: 1, waiting: 1 })
    raise(flags, Flag.GO)
    await waiting.over()
    expect(waiting.events).toEqual(['0', '1'])
    await first.over()
    expect(first.events).toEqual(['up', 'down'])
  })

  test('ends as timeout after maxQueueWaitMs, and its producer never runs', async () => {
    const { testbed, flags, first } = await blockedPool({ workers: { maxQueueWaitMs: 30 } })
    const never = makeFlags()
    const waiting = await Promise.all([1, 2].map(async () => testbed.open('stays', { flags: never })))
    for (const each of waiting) {
      await each.over()
      expect(each.complete).toBe(true)
      expect(each.events).toEqual([])
      expect((await testbed.closeInfo(each)).timings.startedMs).toBeUndefined()
      expect(await testbed.closeInfo(each)).toMatchObject({
        reason: 'timeout',
        error: { code: 'HF_ERR_STREAM_TIMEOUT', timeout: 'maxQueueWaitMs' },
      })
    }
    expect(testbed.logged).toEqual([])
    expect(testbed.pool).toMatchObject({ running: 1, waiting: 0 })
    expect(first.complete).toBeUndefined()
    raise(flags, Flag.GO)
    await first.over()
    await testbed.idle()
    expect(never[Flag.STARTED]).toBe(0)
  })

  test('frees its place when its client leaves', async () => {
    const { testbed, flags, first } = await blockedPool({ workers: { maxQueue: 1 } })
    const never = makeFlags()
    const waiting = await testbed.open('stays', { flags: never })
    expect((await testbed.request('count', { events: 1 }).response()).statusCode).toBe(503)
    waiting.leave()
    expect(await testbed.reason(waiting)).toBe('client')
    expect(testbed.pool).toMatchObject({ running: 1, waiting: 0 })
    const next = await testbed.open('count', { events: 1 })
    expect(next.status).toBe(200)
    raise(flags, Flag.GO)
    await Promise.all([first.over(), next.over()])
    expect(next.events).toEqual(['0'])
    await testbed.idle()
    expect(never[Flag.STARTED]).toBe(0)
  })

  test('starts in the order of arrival', async () => {
    const { testbed, flags, first } = await blockedPool()
    const order = new Int32Array(new SharedArrayBuffer(4 * 21))
    const waiting: DecodingClient[] = []
    for (let number = 1; number <= 20; number++) {
      waiting.push(await testbed.open('signs', { order, number }))
    }
    raise(flags, Flag.GO)
    await first.over()
    for (const each of waiting) await each.over()
    expect([...order]).toEqual([20, ...Array.from({ length: 20 }, (_, n) => n + 1)])
  })
})

describe('running, waiting and open return to zero', () => {
  test('when an onSend hook throws', async () => {
    const testbed = await PoolTestbed.make({
      hooks: onSend(async () => {
        throw new Error('not sent')
      }),
    })
    const client = await testbed.open('count', { events: 1 })
    expect(client.status).toBe(500)
    await client.over()
    await testbed.idle()
    expect(testbed.pool).toMatchObject({ admitted: 1, running: 0, waiting: 0 })
    expect(testbed.route('count').opened).toBe(0)
  })

  test('when an onSend hook replaces the payload', async () => {
    const testbed = await PoolTestbed.make({ hooks: onSend(async () => 'something else') })
    const client = await testbed.open('count', { events: 1 })
    expect(await client.over()).toBe('something else')
    await testbed.idle()
    expect(testbed.pool).toMatchObject({ admitted: 1, running: 0, waiting: 0 })
    expect(testbed.route('count').opened).toBe(0)
  })

  test('when the client leaves before its head', async () => {
    let leave: (() => void) | undefined
    let gone: Promise<void> | undefined
    const testbed = await PoolTestbed.make({
      hooks: (app) => {
        app.addHook('onSend', async (_request, reply) => {
          gone = new Promise((resolve) => reply.raw.once('close', resolve))
          leave?.()
          await gone
        })
      },
    })
    const client = testbed.request('count', { events: 1 })
    leave = () => client.leave()
    await until(() => gone !== undefined, 'the hook')
    await gone
    await testbed.idle()
    expect(testbed.pool).toMatchObject({ admitted: 1, running: 0, waiting: 0 })
    expect(testbed.route('count')).toMatchObject({ opened: 0, closed: {} })
  })

  test('when onOpen closes the stream', async () => {
    const testbed = await PoolTestbed.make({ route: { onOpen: (stream) => stream.close() } })
    const client = await testbed.open('count', { events: 1 })
    await client.over()
    expect(await testbed.reason(client)).toBe('ended')
    await testbed.idle()
  })

  test('when the client leaves while it waits', async () => {
    const { testbed, flags, first } = await blockedPool()
    const client = await testbed.open('count', { events: 1 })
    client.leave()
    expect(await testbed.reason(client)).toBe('client')
    raise(flags, Flag.GO)
    await first.over()
    await testbed.idle()
    expect(testbed.route('count').closed).toEqual({ client: 1 })
  })

  test.each<{ producer: string; input?: object; reason: CloseReason; leaves?: boolean }>([
    { producer: 'stays', reason: 'client', leaves: true },
    { producer: 'loops', reason: 'client', leaves: true },
    { producer: 'neverStops', reason: 'client', leaves: true },
    { producer: 'count', input: { events: 5 }, reason: 'ended' },
    { producer: 'throws', input: { events: 5 }, reason: 'error' },
    { producer: 'exits', input: { events: 5 }, reason: 'lost' },
  ])('when $producer ends as $reason', async ({ producer, input, reason, leaves = false }) => {
    const testbed = await PoolTestbed.make({ workers: { graceMs: 50 } })
    const client = await testbed.open(producer, { flags: makeFlags(), ...input })
    if (leaves) {
      await client.got('up')
      client.leave()
    } else await client.over()
    expect(await testbed.reason(client)).toBe(reason)
    await testbed.idle()
    expect(testbed.route(producer)).toMatchObject({ open: 0, opened: 1, closed: { [reason]: 1 } })
  })

  test('when a stream ends as overflow', async () => {
    const testbed = await PoolTestbed.make({ route: { maxBuffered: 65_536 } })
    const client = await testbed.open('count', { events: 100_000, bytes: 1_000 })
    ;(await client.response()).pause()
    expect(await testbed.reason(client)).toBe('overflow')
    await testbed.idle()
  })

  test('when a waiting stream ends as timeout', async () => {
    const { testbed, flags, first } = await blockedPool({ workers: { maxQueueWaitMs: 1 } })
    const client = await testbed.open('count', { events: 1 })
    expect(await testbed.reason(client)).toBe('timeout')
    raise(flags, Flag.GO)
    await first.over()
    await testbed.idle()
  })

  test('when the server closes with running and waiting streams', async () => {
    const { testbed, flags, first } = await blockedPool({ graceMs: 5_000 })
    const waiting = await testbed.open('count', { events: 1 })
    const closed = testbed.app.close()
    await first.got('the server is closing')
    raise(flags, Flag.GO)
    await closed
    for (const each of [first, waiting]) expect(await testbed.reason(each)).toBe('shutdown')
    await testbed.idle()
    expect(testbed.pool).toMatchObject({ running: 0, waiting: 0, threads: 0 })
  })
})
