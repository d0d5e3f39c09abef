import { pathToFileURL } from 'node:url'
import { describe, expect, test } from 'vitest'
import { producer } from '../../../src/index.ts'
import { Flag, makeFlags, raise, untilRaised, until } from '../../../src/testing/flags.ts'
import { numbers, PoolTestbed } from '../../support/pool-testbed.ts'
import { breakStarts, BROKEN_BY } from '../../support/broken-starts.ts'

describe.each([
  { name: 'exits', what: 'process.exit', message: 'exited with code 3' },
  { name: 'throwsInTimer', what: 'an uncaught exception', message: 'stray exception' },
  { name: 'rejectsInTimer', what: 'an unhandled rejection', message: 'stray rejection' },
  { name: 'overruns', what: 'a heap overrun', message: 'memory' },
])('a thread that dies of $what', ({ name, message }) => {
  const workers = { threads: 2, streamsPerThread: 1, resourceLimits: { maxOldGenerationSizeMb: 24 } }

  test('delivers what it had sent, and its stream ends as lost', async () => {
    const testbed = await PoolTestbed.make({ workers })
    const client = await testbed.open(name, { events: 1_000 })
    await client.over()
    expect(client.events).toEqual(numbers(1_000))
    const info = await testbed.closeInfo(client)
    expect(info).toMatchObject({ reason: 'lost', events: 1_000, error: { code: 'HF_ERR_THREAD_LOST' } })
    expect(testbed.logged).toEqual([expect.stringContaining(message)])
    await testbed.idle()
    expect(testbed.pool.lost).toBe(1)
    expect(testbed.route(name).closed).toEqual({ lost: 1 })
  })

  test('leaves streams on other threads alone, and is replaced', async () => {
    const testbed = await PoolTestbed.make({ workers })
    const { client: neighbour, flags } = await testbed.start('ticks')
    for (let round = 0; round < 3; round++) {
      const client = await testbed.open(name, { events: 2 })
      await client.over()
      expect(await testbed.reason(client)).toBe('lost')
    }
    await testbed.serves()
    raise(flags, Flag.GO)
    await neighbour.over()
    expect(neighbour.events).toEqual([...numbers(neighbour.events.length - 1), 'done'])
    expect(await testbed.reason(neighbour)).toBe('ended')
    await testbed.idle()
    await until(() => testbed.pool.threads === 2, 'both threads')
  })

  test('takes the streams beside it on the same thread with it, each with what it had sent', async () => {
    const testbed = await PoolTestbed.make({
      workers: { ...workers, threads: 1, streamsPerThread: 10 },
    })
    const flags = makeFlags()
    const neighbours = await Promise.all([1, 2, 3].map(async () => testbed.open('stays', { flags })))
    await untilRaised(flags, Flag.STARTED, 3)
    const client = await testbed.open(name, { events: 1 })
    for (const each of [client, ...neighbours]) {
      await each.over()
      expect(await testbed.reason(each)).toBe('lost')
    }
    for (const each of neighbours) expect(each.events).toEqual(['up'])
    await testbed.serves()
    await testbed.idle()
    expect(testbed.pool.lost).toBe(4)
  })
})

test('three megabytes that were sent just before process.exit arrive in order', async () => {
  const testbed = await PoolTestbed.make()
  const client = await testbed.open('exits', { events: 3_000, bytes: 1_000 })
  await client.over()
  expect(client.events).toEqual(numbers(3_000).map((n) => `${n} ${'x'.repeat(1_000)}`))
  expect(await testbed.reason(client)).toBe('lost')
})

test('one event of three megabytes that was sent just before process.exit arrives whole', async () => {
  const testbed = await PoolTestbed.make()
  const client = await testbed.open('exits', { events: 1, bytes: 3_000_000 })
  await client.over()
  expect(client.events).toEqual([`0 ${'x'.repeat(3_000_000)}`])
})

test('a stream that its producer had closed before the thread died has ended, also when it is read later', async () => {
  const testbed = await PoolTestbed.make()
  const client = await testbed.open('closesAndExits', { events: 200, bytes: 100_000 })
  const response = await client.response()
  response.pause()
  await until(() => testbed.pool.running + testbed.pool.waiting === 0, 'the death of the thread')
  response.resume()
  await client.over()
  expect(client.events).toEqual(numbers(200).map((n) => `${n} ${'x'.repeat(100_000)}`))
  const info = await testbed.closeInfo(client)
  expect(info).toMatchObject({ reason: 'ended', events: 200 })
  expect(info.error).toBeUndefined()
  expect(testbed.pool.lost).toBe(0)
  expect(testbed.logged).toEqual([expect.stringContaining('exited with code 3')])
  await testbed.serves()
})

describe('a producer that throws', () => {
  test('ends as error, after what it had sent, and its thread lives on', async () => {
    const testbed = await PoolTestbed.make()
    const flags = makeFlags()
    const neighbour = await testbed.open('stays', { flags })
    const client = await testbed.open('throws', { events: 1_000 })
    await client.over()
    expect(client.events).toEqual(numbers(1_000))
    const info = await testbed.closeInfo(client)
    expect(info).toMatchObject({
      reason: 'error',
      error: { message: 'broken', code: 'E_BROKEN', cause: { name: 'RangeError', message: 'deep' } },
    })
    expect(neighbour.complete).toBeUndefined()
    expect(testbed.pool).toMatchObject({ running: 1, waiting: 0, lost: 0 })
  })

  test.each([
    { name: 'throwsMuch', message: 'much' },
    { name: 'throwsUnreadable', message: expect.stringContaining('cannot be read') as string },
  ])('whatever it throws ($name), the events come first', async ({ name, message }) => {
    const testbed = await PoolTestbed.make()
    const client = await testbed.open(name, { events: 20_000, bytes: 40 })
    await client.over()
    expect(client.events).toEqual(numbers(20_000).map((n) => `${n} ${'x'.repeat(40)}`))
    expect(await testbed.closeInfo(client)).toMatchObject({ reason: 'error', error: { message } })
    await testbed.idle()
    await testbed.serves()
  })
})

describe('a module that does not load', () => {
  test('anywhere is refused before the head', async () => {
    const module = pathToFileURL('/nowhere/missing.ts').href
    const missing = producer(module, async () => {})
    const testbed = await PoolTestbed.make({ producers: { missing } })
    const client = testbed.request('missing')
    expect((await client.response()).statusCode).toBe(500)
    expect(JSON.parse(await client.over())).toMatchObject({ code: 'HF_ERR_PRODUCER_MODULE' })
    await testbed.idle()
  })
})

test('threads that die together give every waiting stream to a thread that runs it', async () => {
  const threads = 3
  const testbed = await PoolTestbed.make({ workers: { threads, streamsPerThread: 1 } })
  for (let round = 0; round < 5; round++) {
    const flags = makeFlags()
    const dying = await Promise.all(
      Array.from({ length: threads }, async () => testbed.open('exitsTogether', { flags })),
    )
    await untilRaised(flags, Flag.STARTED, threads)
    const waiting = await Promise.all(
      Array.from({ length: 6 }, async () => testbed.open('count', { events: 3 })),
    )
    raise(flags, Flag.GO)
    for (const each of dying) {
      await each.over()
      expect(await testbed.reason(each)).toBe('lost')
    }
    for (const each of waiting) {
      await each.over()
      expect(each.events).toEqual(numbers(3))
    }
  }
  await testbed.idle()
})

test.each([false, true])(
  'a ring that its thread has overwritten ends the streams of that thread, and nothing else (exits: %s)',
  async (exits) => {
    const testbed = await PoolTestbed.make({ workers: { threads: 2, streamsPerThread: 1 } })
    const flags = makeFlags()
    const neighbour = await testbed.open('ticks', { flags })
    const corrupting = makeFlags()
    const client = await testbed.open('corrupts', { events: 5, exits, flags: corrupting })
    await until(() => client.events.length === 5, 'what was sent before')
    raise(corrupting, Flag.GO)
    await client.over()
    expect(client.events).toEqual(numbers(5))
    expect(await testbed.closeInfo(client)).toMatchObject({
      reason: 'lost',
      error: { code: 'HF_ERR_THREAD_LOST' },
    })
    raise(flags, Flag.GO)
    await neighbour.over()
    expect(neighbour.events.at(-1)).toBe('done')
    await testbed.serves()
    await testbed.idle()
  },
)

test('while threads die as they start, streams that have their head wait, and new ones are refused', async () => {
  const testbed = await PoolTestbed.make({ workers: { streamsPerThread: 1 } })
  await testbed.serves()
  const { client: dying, flags } = await testbed.start('exitsTogether')
  const waiting = await testbed.open('count', { events: 3 })
  const mend = breakStarts()
  raise(flags, Flag.GO)
  expect(await testbed.reason(dying)).toBe('lost')

  let refused = testbed.request('count', { events: 3 })
  while ((await refused.response()).statusCode === 200) {
    refused.leave()
    refused = testbed.request('count', { events: 3 })
  }
  expect(refused.status).toBe(503)
  expect(JSON.parse(await refused.over())).toMatchObject({ code: 'HF_ERR_EXECUTOR_UNAVAILABLE' })
  expect(Number((await refused.response()).headers['retry-after'])).toBeGreaterThanOrEqual(1)
  // What they die of stands in the log, of a stream that waits and of one that is refused.
  const ofStarts = testbed.logged.filter((line) => line.includes(BROKEN_BY))
  expect(ofStarts.length).toBeGreaterThan(0)
  expect(testbed.logged.find((line) => line.includes('takes no stream now'))).toContain(BROKEN_BY)

  mend()
  await waiting.over()
  expect(waiting.events).toEqual(numbers(3))
  await testbed.serves()
  await testbed.idle()
})

test('where threads die as they start, the first client is told so', async () => {
  breakStarts()
  const testbed = await PoolTestbed.make()
  const client = testbed.request('count', { events: 3 })
  expect((await client.response()).statusCode).toBe(503)
  expect(JSON.parse(await client.over())).toMatchObject({ code: 'HF_ERR_EXECUTOR_UNAVAILABLE' })
  await testbed.idle()
})
