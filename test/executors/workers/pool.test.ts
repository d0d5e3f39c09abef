/** One file: all of it asks one class, whose tasks the test holds (`Held`). */
import { describe, expect, test } from 'vitest'
import {
  workers,
  type Executor,
  type ExecutorLoad,
  type Task,
  type WorkersOptions,
} from '../../../src/index.ts'
import {
  blockUntil,
  Flag,
  makeFlags,
  raise,
  untilRaised,
  type Flags,
  until,
} from '../../../src/testing/flags.ts'
import { numbers, PoolTestbed } from '../../support/pool-testbed.ts'
import type { DecodingClient } from '../../support/decoding-client.ts'
import { breakStarts, BROKEN_BY } from '../../support/broken-starts.ts'

/** A pool, and an app whose streams wait until the test gives them to it. */
class Held {
  readonly pool: Executor
  readonly #testbed: PoolTestbed
  readonly #tasks: Task[]

  private constructor(pool: Executor, testbed: PoolTestbed, tasks: Task[]) {
    this.pool = pool
    this.#testbed = testbed
    this.#tasks = tasks
  }

  static async make(options: WorkersOptions): Promise<Held> {
    const pool = workers({ niceIncrement: 0, ...options })
    const tasks: Task[] = []
    const executor: Executor = {
      mayBlock: true,
      prepare: async (task) => pool.prepare?.(task),
      run: (task) => void tasks.push(task),
      cancel: (task, reason) => pool.cancel?.(task, reason),
      close: (graceMs) => pool.close?.(graceMs),
    }
    return new Held(pool, await PoolTestbed.make({ executor }), tasks)
  }

  async open(name: string, input?: unknown): Promise<{ client: DecodingClient; task: Task }> {
    const client = await this.#testbed.open(name, input)
    await until(() => this.#tasks.length > 0, 'its task')
    return { client, task: this.#tasks.shift() as Task }
  }

  /** What was logged as an error. */
  get logged(): string[] {
    return this.#testbed.logged
  }

  /** How a client's stream was closed. */
  async reason(client: DecodingClient): Promise<string> {
    return this.#testbed.reason(client)
  }

  /** A stream that has run from its start to its end; answers how long it took, at least and at most, in ms. */
  async served(): Promise<{ least: number; most: number }> {
    const flags = makeFlags()
    const { client, task } = await this.open('blocks', { flags })
    const given = performance.now()
    void this.pool.run(task)
    await untilRaised(flags, Flag.STARTED)
    const started = performance.now()
    await new Promise((resolve) => setTimeout(resolve, 30))
    const ending = performance.now()
    raise(flags, Flag.GO)
    await client.over()
    await this.#testbed.idle()
    return { least: ending - started, most: performance.now() - given }
  }

  /** What a pool with so many streams says to one more. */
  async refusal(load: Partial<ExecutorLoad>): Promise<Record<string, unknown> | undefined> {
    const { task, client } = await this.open('count', { events: 1 })
    try {
      void this.pool.admit?.(task, { running: 0, waiting: 0, admitted: 0, refused: 0, lost: 0, ...load })
      return undefined
    } catch (error) {
      return error as Record<string, unknown>
    } finally {
      client.leave()
    }
  }
}

describe('a pool refuses', () => {
  test('what is over its places and its queue', async () => {
    const held = await Held.make({ threads: 2, streamsPerThread: 3, maxQueue: 4 })
    expect(await held.refusal({ running: 6, waiting: 3 })).toBeUndefined()
    expect(await held.refusal({ running: 1, waiting: 8 })).toBeUndefined()
    const refusal = await held.refusal({ running: 6, waiting: 4 })
    expect(refusal).toMatchObject({ code: 'HF_ERR_EXECUTOR_FULL', statusCode: 503 })
    expect(refusal?.['message']).toMatch(/"pool".* 6 .* 4 /)
    // Nothing is known of how long a stream takes.
    expect(refusal).toMatchObject({ retryAfterMs: 0, headers: { 'retry-after': '1' } })
  })

  test('until a place is free, by the moving average of what streams have taken, on all threads', async () => {
    const held = await Held.make({ threads: 2, streamsPerThread: 3, maxQueue: 0 })
    const retryAfterMs = async (waiting: number): Promise<number> =>
      (await held.refusal({ running: 6, waiting }))?.['retryAfterMs'] as number
    const first = await held.served()
    const afterOne = 6 * (await retryAfterMs(0))
    expect(afterOne).toBeGreaterThanOrEqual(first.least)
    expect(afterOne).toBeLessThanOrEqual(first.most)
    expect(await retryAfterMs(11)).toBeCloseTo(afterOne * 2)
    const second = await held.served()
    const afterTwo = 6 * (await retryAfterMs(0))
    const average = (newest: number): number => afterOne * 0.9 + newest * 0.1
    expect(afterTwo).toBeGreaterThanOrEqual(average(second.least))
    expect(afterTwo).toBeLessThanOrEqual(average(second.most))
    const { headers } = (await held.refusal({ running: 6, waiting: 999 })) as { headers: object }
    expect(headers).toEqual({ 'retry-after': String(Math.ceil((afterTwo * 1_000) / 6 / 1_000)) })
  })

  test('a producer that no thread can load, before the head', async () => {
    const testbed = await PoolTestbed.make({ producers: { closure: () => {} } })
    const client = await testbed.open('closure')
    expect(client.status).toBe(500)
    expect(JSON.parse(await client.over())).toMatchObject({ code: 'HF_ERR_PRODUCER_NOT_PORTABLE' })
  })

  test('all when it closes', async () => {
    const held = await Held.make({ threads: 1 })
    const { task } = await held.open('count', { events: 1 })
    await held.pool.close?.(0)
    expect(() =>
      held.pool.admit?.(task, { running: 0, waiting: 0, admitted: 0, refused: 0, lost: 0 }),
    ).toThrow(
      expect.objectContaining({
        code: 'HF_ERR_EXECUTOR_UNAVAILABLE',
        message: expect.stringContaining('it is closing') as string,
        retryAfterMs: 3_000,
        headers: { 'retry-after': '3' },
      }),
    )
  })

  test('all while its threads die as they start, and says of what they died', async () => {
    const mend = breakStarts()
    const held = await Held.make({ threads: 1 })
    const { client, task } = await held.open('count', { events: 3 })
    void held.pool.run(task)
    let refusal: Record<string, unknown> | undefined
    while (refusal === undefined) refusal = await held.refusal({})
    expect(refusal).toMatchObject({
      code: 'HF_ERR_EXECUTOR_UNAVAILABLE',
      message: expect.stringContaining('its threads do not start') as string,
      cause: { code: 'HF_ERR_THREAD_LOST' },
      retryAfterMs: 3_000,
    })
    await until(() => held.logged.some((line) => line.includes(BROKEN_BY)), 'the line')
    mend()
    expect(await client.over()).toBe('data: 0\n\ndata: 1\n\ndata: 2\n\n')
    expect(await held.refusal({})).toBeUndefined()
  })
})

describe('the threads of a pool', () => {
  test('start with its first stream, all of them, and are gone when it has closed', async () => {
    const held = await Held.make({ threads: 3 })
    const { pool } = held
    const times = (): number[] => (pool.threadTimes?.() ?? []).map(({ id }) => id)
    expect([pool.mayBlock, pool.compresses, pool.stats?.(), times()]).toEqual([
      true,
      true,
      { threads: 0 },
      [],
    ])
    const { client, task } = await held.open('count', { events: 2 })
    void pool.run(task)
    await client.over()
    expect(client.events).toEqual(numbers(2))
    expect(pool.stats?.()).toEqual({ threads: 3 })
    expect(new Set(times()).size).toBe(3)
    for (const { activeMs, idleMs } of pool.threadTimes?.() ?? []) {
      expect([activeMs >= 0, idleMs >= 0]).toEqual([true, true])
    }
    const busy = (pool.threadTimes?.() ?? []).map(({ activeMs }) => activeMs)
    expect(Math.max(...busy)).toBeGreaterThan(0)
    await pool.close?.(60_000)
    expect([pool.stats?.(), times()]).toEqual([{ threads: 0 }, []])
  })

  test('are given as many streams as each may have, and the next ones as places get free', async () => {
    const held = await Held.make({ threads: 2, streamsPerThread: 2 })
    const flags = Array.from({ length: 7 }, () => makeFlags())
    const clients: DecodingClient[] = []
    for (const each of flags) {
      const { client, task } = await held.open('stays', { flags: each })
      clients.push(client)
      void held.pool.run(task)
    }
    const started = (): number[] =>
      flags.flatMap((each, number) => (each[Flag.STARTED] === 1 ? [number] : []))
    await until(() => started().length === 4, 'four of them')
    expect(started()).toEqual([0, 1, 2, 3])
    clients[4]?.leave()
    clients[1]?.leave()
    await untilRaised(flags[5] as (typeof flags)[0], Flag.STARTED)
    // One left before it had its turn, and never has it.
    expect(started()).toEqual([0, 1, 2, 3, 5])
  })
})

describe('a stream that was closed from outside', () => {
  test('ends its thread where its producer goes on, which is logged once', async () => {
    const testbed = await PoolTestbed.make({ workers: { graceMs: 40, streamsPerThread: 3 } })
    const flags = makeFlags()
    // The second is closed as well, but never gets to its producer; the third is there when the thread ends.
    const first = await testbed.open('neverStops', { flags })
    await first.got('up')
    const second = await testbed.open('stays', { flags: makeFlags() })
    const third = await testbed.open('count', { events: 2 })
    first.leave()
    second.leave()
    await third.over()
    expect(third.events).toEqual(['0', '1'])
    expect(testbed.logged).toEqual([
      expect.stringContaining(
        'a stream of GET /neverStops was closed, and its producer did not stop within 40 ms',
      ),
    ])
    await testbed.idle()
    expect(testbed.pool.lost).toBe(0)
  })

  test('is asked for; one that is open may take as long as it likes', async () => {
    const testbed = await PoolTestbed.make({ workers: { graceMs: 20 } })
    const client = await testbed.open('neverEnds')
    await client.got('up')
    await new Promise((resolve) => setTimeout(resolve, 150))
    expect([testbed.pool.running, testbed.logged]).toEqual([1, []])
  })

  test('ends its thread only once, however many producers go on', async () => {
    const testbed = await PoolTestbed.make({ workers: { graceMs: 40, streamsPerThread: 3 } })
    const clients = [await testbed.open('neverEnds'), await testbed.open('neverEnds')]
    for (const client of clients) await client.got('up')
    for (const client of clients) client.leave()
    await testbed.idle()
    expect(testbed.logged).toEqual([expect.stringContaining('GET /neverEnds was closed')])
    await testbed.serves()
  })

  test('and starts at that very moment has the grace of one that has started', async () => {
    const held = await Held.make({ threads: 1, graceMs: 40 })
    await held.served()
    const flags = makeFlags()
    const { client, task } = await held.open('neverStops', { flags })
    void held.pool.run(task)
    // Nothing is read of what its thread says before it is closed.
    expect(blockUntil(flags, Flag.STARTED)).toBe(true)
    held.pool.cancel?.(task, 'client')
    expect(await held.reason(client)).toBe('lost')
    expect(held.logged[0]).toContain('its producer did not stop within 40 ms')
  })

  test('is waited for as long as its producer takes, within the grace', async () => {
    const testbed = await PoolTestbed.make({ workers: { graceMs: 60_000 } })
    const { client, flags } = await testbed.start('blocks')
    client.leave()
    expect(await testbed.reason(client)).toBe('client')
    expect(testbed.pool.running).toBe(1)
    raise(flags, Flag.GO)
    await testbed.idle()
    expect(testbed.logged).toEqual([])
    await testbed.serves()
  })
})

test('each stream that waits gives up at its own time', async () => {
  const held = await Held.make({ threads: 1, streamsPerThread: 1, maxQueueWaitMs: 2_000 })
  await held.served()
  const flags = makeFlags()
  const { client, task } = await held.open('blocks', { flags })
  void held.pool.run(task)
  const first = await held.open('count', { events: 1 })
  void held.pool.run(first.task)
  await new Promise((resolve) => setTimeout(resolve, 1_000))
  const second = await held.open('count', { events: 1 })
  void held.pool.run(second.task)
  expect(first.task.closed).toBe(false)
  expect(await held.reason(first.client)).toBe('timeout')
  expect(second.task.closed).toBe(false)
  expect(await held.reason(second.client)).toBe('timeout')
  raise(flags, Flag.GO)
  await client.over()
})

test('a pool is closed at once when it has nothing to do, and after its grace where something does not stop', async () => {
  const held = await Held.make({ threads: 1, graceMs: 60_000 })
  const flags = makeFlags()
  const { task } = await held.open('blocks', { flags })
  void held.pool.run(task)
  await untilRaised(flags, Flag.STARTED)
  let closed = false
  const closing = Promise.resolve(held.pool.close?.(60_000)).then(() => (closed = true))
  await new Promise((resolve) => setTimeout(resolve, 20))
  expect(closed).toBe(false)
  raise(flags, Flag.GO)
  await closing

  const other = await Held.make({ threads: 1, graceMs: 60_000 })
  const stuck = await other.open('blocks', { flags: makeFlags() })
  void other.pool.run(stuck.task)
  await until(() => other.pool.stats?.().threads === 1, 'its thread')
  await other.pool.close?.(20)
  expect(other.pool.stats?.()).toEqual({ threads: 0 })
})

test('streams that a thread had not begun when it died run on the next, before those that came later', async () => {
  const testbed = await PoolTestbed.make({ workers: { streamsPerThread: 3 } })
  const { client: dying, flags } = await testbed.start('exitsTogether')
  // The first two have a place on the thread, which is blocked, and the others wait for one.
  const others: { client: DecodingClient; own: Flags }[] = []
  for (let number = 0; number < 5; number++) {
    const own = makeFlags()
    others.push({ client: await testbed.open('stays', { flags: own }), own })
  }
  const [first, left, ...later] = others as [(typeof others)[0], (typeof others)[0], ...typeof others]
  left.client.leave()
  expect(await testbed.reason(left.client)).toBe('client')
  raise(flags, Flag.GO)
  await dying.over()
  expect(await testbed.reason(dying)).toBe('lost')

  const next = [first, ...later.slice(0, 2)]
  for (const { own } of next) await untilRaised(own, Flag.STARTED)
  await until(() => testbed.pool.running === 3, 'their starts')
  expect(testbed.pool).toMatchObject({ waiting: 1, lost: 1 })
  expect(left.own[Flag.STARTED]).toBe(0)
  for (const { client } of [...next, ...later]) client.leave()
  await testbed.idle()
})
