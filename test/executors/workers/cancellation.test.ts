import { describe, expect, test } from 'vitest'
import { Flag, makeFlags, raise, untilRaised } from '../../../src/testing/flags.ts'
import { loadsSlowly } from '../../support/modules/loads-slowly.ts'
import { PoolTestbed } from '../../support/pool-testbed.ts'

test('stream.closed turns true inside a loop that never yields, and a late send() is harmless', async () => {
  const testbed = await PoolTestbed.make({ workers: { graceMs: 60_000 } })
  const { client, flags } = await testbed.start('loops')
  client.leave()
  await untilRaised(flags, Flag.SEEN)
  expect(await testbed.reason(client)).toBe('client')
  await testbed.idle()
  expect(flags[Flag.SEEN]).toBe(1)
  expect(testbed.logged).toEqual([])
  expect(testbed.pool.lost).toBe(0)
})

test('signal aborts with the reason, and what throws for it is not logged', async () => {
  const testbed = await PoolTestbed.make()
  const flags = makeFlags()
  const reason = new Uint8Array(new SharedArrayBuffer(40))
  const client = await testbed.open('listens', { flags, reason })
  await untilRaised(flags, Flag.STARTED)
  client.leave()
  await untilRaised(flags, Flag.SEEN)
  expect(Buffer.from(reason).toString().replaceAll('\0', '')).toBe('AbortError client')
  await testbed.idle()
  expect(testbed.logged).toEqual([])
})

test.each(['generator', 'generatesAsync'])(
  'a generator (%s) is returned, and its finally runs',
  async (name) => {
    const testbed = await PoolTestbed.make()
    const flags = makeFlags()
    const client = await testbed.open(name, { flags })
    await client.got('data: 5\n')
    client.leave()
    await untilRaised(flags, Flag.FINALLY)
    expect(await testbed.reason(client)).toBe('client')
    await testbed.idle()
    expect(flags[Flag.FINALLY]).toBe(1)
  },
)

test('ready() answers false when a client leaves that had stopped to read', async () => {
  const testbed = await PoolTestbed.make()
  const flags = makeFlags()
  const client = await testbed.open('awaitsReady', { flags })
  const response = await client.response()
  response.pause()
  await untilRaised(flags, Flag.STARTED)
  client.leave()
  await untilRaised(flags, Flag.FINALLY)
  await testbed.idle()
  expect(await testbed.reason(client)).toBe('client')
})

test('a stream that was left open by its producer is over when its client leaves', async () => {
  const testbed = await PoolTestbed.make()
  const flags = makeFlags()
  const client = await testbed.open('stays', { flags })
  await client.got('up')
  expect(testbed.pool).toMatchObject({ running: 1, waiting: 0 })
  client.leave()
  expect(await testbed.reason(client)).toBe('client')
  await testbed.idle()
})

test('what a producer leaves behind finds its stream closed, also when another has its place', async () => {
  const testbed = await PoolTestbed.make({ workers: { streamsPerThread: 1 } })
  const flags = makeFlags()
  const client = await testbed.open('leavesTimer', { flags })
  await client.over()
  expect(client.events).toEqual(['only'])
  const next = makeFlags()
  const successor = await testbed.open('ticks', { flags: next })
  await successor.got('data: 3\n')
  raise(flags, Flag.GO)
  await untilRaised(flags, Flag.OVER)
  expect(flags[Flag.SEEN]).toBe(1)
  raise(next, Flag.GO)
  await successor.over()
  expect(successor.events).not.toContain('stray')
})

describe('a producer that never stops', () => {
  test('is terminated after its grace; its neighbours are lost, the log names its route, the pool serves on', async () => {
    const testbed = await PoolTestbed.make({ workers: { streamsPerThread: 10, graceMs: 50 } })
    const idle = makeFlags()
    const neighbours = await Promise.all([1, 2].map(async () => testbed.open('stays', { flags: idle })))
    await untilRaised(idle, Flag.STARTED, 2)
    const flags = makeFlags()
    const client = await testbed.open('neverStops', { flags })
    await client.got('up')
    client.leave()
    expect(await testbed.reason(client)).toBe('client')
    for (const each of neighbours) {
      await each.over()
      expect(each.events).toEqual(['up'])
      expect(await testbed.closeInfo(each)).toMatchObject({
        reason: 'lost',
        error: { code: 'HF_ERR_THREAD_LOST', message: expect.stringContaining('GET /neverStops') as string },
      })
    }
    await testbed.idle()
    await testbed.serves()
    // The thread that is terminated, and the two neighbours.
    expect(testbed.logged).toHaveLength(3)
    for (const line of testbed.logged) expect(line).toContain('GET /neverStops')
    expect(testbed.pool.lost).toBe(2)
  })

  test('makes those wait that it keeps from their place, and they run on the next thread', async () => {
    const testbed = await PoolTestbed.make({ workers: { streamsPerThread: 1, graceMs: 50 } })
    const flags = makeFlags()
    const client = await testbed.open('neverStops', { flags })
    await client.got('up')
    const waiting = await testbed.open('count', { events: 3 })
    expect(testbed.pool).toMatchObject({ running: 1, waiting: 1 })
    client.leave()
    await waiting.over()
    expect(waiting.events).toEqual(['0', '1', '2'])
    await testbed.idle()
  })
})

/** A stream that blocks its thread, and a second, whose client has left: it has its place on that thread, and no turn. */
async function leftBehindBlocked(testbed: PoolTestbed) {
  const { client, flags } = await testbed.start('blocks')
  const never = makeFlags()
  const second = await testbed.open('stays', { flags: never })
  second.leave()
  expect(await testbed.reason(second)).toBe('client')
  return { client, second, flags, never }
}

test('a stream that is closed before its turn never runs', async () => {
  const testbed = await PoolTestbed.make({ workers: { streamsPerThread: 2 } })
  const { client, second, flags, never } = await leftBehindBlocked(testbed)
  raise(flags, Flag.GO)
  await client.over()
  await testbed.serves()
  await testbed.idle()
  expect(never[Flag.STARTED]).toBe(0)
  expect(second.events).toEqual([])
})

describe('a stream that is closed before its producer starts does not end its thread', () => {
  const workers = { streamsPerThread: 2, graceMs: 20 }

  test('while the module of both is loaded', async () => {
    const testbed = await PoolTestbed.make({
      producers: { loadsSlowly },
      workers: { ...workers, streamsPerThread: 3 },
    })
    // The thread is there, and has a stream: the next ones have a place on it at once, and nobody asks it before.
    const third = await testbed.open('staysIdle')
    await third.got('data')
    const [client, neighbour] = [await testbed.open('loadsSlowly'), await testbed.open('loadsSlowly')]
    client.leave()
    expect(await testbed.reason(client)).toBe('client')
    await neighbour.over()
    expect(neighbour.events).toEqual(['loaded'])
    expect(await testbed.reason(neighbour)).toBe('ended')
    expect(testbed.pool.lost).toBe(0)
    expect(testbed.logged).toEqual([])
    third.leave()
    await testbed.idle()
  })

  test('while another one blocks it', async () => {
    const testbed = await PoolTestbed.make({ workers })
    const { client, flags, never } = await leftBehindBlocked(testbed)
    // Longer than the grace.
    await new Promise((resolve) => setTimeout(resolve, 100))
    raise(flags, Flag.GO)
    await client.over()
    expect(client.events).toEqual(['up', 'down'])
    expect(await testbed.reason(client)).toBe('ended')
    await testbed.idle()
    expect([testbed.pool.lost, never[Flag.STARTED]]).toEqual([0, 0])
  })
})
