import { once } from 'node:events'
import type { Worker } from 'node:worker_threads'
import { describe, expect, onTestFinished, test } from 'vitest'
import type { Thread } from '../../../src/executors/workers/thread.ts'
import { Threads } from '../../../src/executors/workers/threads.ts'
import { Flag, makeFlags, raise, until } from '../../../src/testing/flags.ts'
import { numbers, PoolTestbed } from '../../support/pool-testbed.ts'
import { breakStarts, BROKEN_BY } from '../../support/broken-starts.ts'

const unexpected = (): void => expect.unreachable('a stream')

/** The threads of a pool, without a pool: nobody gives them streams. */
class Bare {
  readonly threads: Threads
  ready = 0
  readonly failed: Error[] = []
  /** What was the failure of all of them at each of these. */
  readonly failures: unknown[] = []

  constructor(count: number) {
    this.threads = new Threads(
      { threads: count, niceIncrement: 0, resourceLimits: {}, streamsPerThread: 10 },
      {
        gone: () => {},
        ready: () => this.ready++,
        failed: (cause) => {
          this.failed.push(cause)
          this.failures.push(this.threads.failure)
        },
        started: unexpected,
        done: unexpected,
        unloaded: unexpected,
        orphaned: unexpected,
      },
    )
    onTestFinished(async () => this.threads.close())
  }

  get ids(): number[] {
    return this.threads.times().map(({ id }) => id)
  }

  /** Resolves when all of them can be given streams. */
  async allReady(): Promise<void> {
    await until(() => this.ready > 0, 'the first')
    const { ready } = this
    if (ready < this.ids.length) await until(() => this.ready >= this.ids.length, 'the others')
  }

  leastBusy(): Thread {
    return this.threads.leastBusy(10) as Thread
  }
}

describe('threads', () => {
  test('are there at once, are given streams when they have started, and are gone when they are closed', async () => {
    const bare = new Bare(3)
    const { threads } = bare
    expect([threads.size, threads.leastBusy(10), threads.failure]).toEqual([3, undefined, undefined])
    await bare.allReady()
    expect(bare.ready).toBe(3)
    const thread = bare.leastBusy()
    expect([thread.ready, bare.ids.includes(thread.id)]).toEqual([true, true])
    expect(new Set(bare.ids).size).toBe(3)
    for (const { activeMs } of threads.times()) expect(activeMs).toBeGreaterThan(0)
    expect(threads.leastBusy(0)).toBeUndefined()
    await threads.close()
    await new Promise((resolve) => setTimeout(resolve, 50))
    expect([threads.size, threads.times(), bare.failed, bare.ready]).toEqual([0, [], [], 3])
  })

  test('that die are replaced, at once', async () => {
    const bare = new Bare(2)
    await bare.allReady()
    for (let round = 0; round < 3; round++) {
      const { ids, ready } = bare
      const { worker, id } = bare.leastBusy()
      const exit = once(worker, 'exit')
      await worker.terminate()
      await exit
      await until(() => bare.ready === ready + 1, 'another one')
      expect(bare.threads.size).toBe(2)
      expect(bare.ids.filter((each) => ids.includes(each))).toEqual(ids.filter((each) => each !== id))
    }
    expect([bare.failed, bare.threads.failure]).toEqual([[], undefined])
  })

  test('that die as they start are started later and later, until they do', async () => {
    const starts: number[] = []
    const deaths: number[] = []
    const onWorker = (worker: Worker): void => {
      starts.push(performance.now())
      worker.once('exit', () => deaths.push(performance.now()))
    }
    process.on('worker', onWorker)
    onTestFinished(() => void process.removeListener('worker', onWorker))
    const mend = breakStarts()
    const bare = new Bare(1)
    await until(() => starts.length === 5, 'a fifth start')
    expect(bare.failed.length).toBeGreaterThanOrEqual(4)
    for (const cause of bare.failed) {
      expect(cause).toMatchObject({ code: 'HF_ERR_THREAD_LOST' })
      expect(cause.message).toContain(BROKEN_BY)
      expect(cause.cause).toBeInstanceOf(Error)
    }
    expect(bare.failures).toEqual(bare.failed)
    expect(bare.threads.failure).toBe(bare.failed.at(-1))
    expect(bare.threads.leastBusy(10)).toBeUndefined()
    const pause = (number: number): number => (starts[number + 1] as number) - (deaths[number] as number)
    expect(pause(3)).toBeGreaterThan(pause(1))
    expect(pause(1)).toBeGreaterThan(pause(0))
    mend()
    await bare.allReady()
    expect([bare.threads.size, bare.threads.failure]).toEqual([1, undefined])
    // And after that at once again.
    const { ready } = bare
    await bare.leastBusy().worker.terminate()
    await until(() => bare.ready === ready + 1, 'another one')
    expect(starts.length).toBe(deaths.length + 1)
  })

  test('that die as they start are no failure as long as another one is there', async () => {
    const bare = new Bare(2)
    await bare.allReady()
    const mend = breakStarts()
    await bare.leastBusy().worker.terminate()
    await until(() => bare.failed.length > 1, 'failures')
    expect(bare.failures).toEqual(bare.failed.map(() => undefined))
    await bare.leastBusy().worker.terminate()
    await until(() => bare.threads.failure !== undefined, 'the last to be gone')
    mend()
    await until(() => bare.threads.size === 2 && bare.threads.failure === undefined, 'both')
  })

  test('that are closed before they have started have not failed', async () => {
    const bare = new Bare(2)
    await bare.threads.close()
    await new Promise((resolve) => setTimeout(resolve, 50))
    expect([bare.failed, bare.threads.size]).toEqual([[], 0])
  })

  test('are not started any more when they are closed while they wait for it', async () => {
    breakStarts()
    const bare = new Bare(1)
    await until(() => bare.failed.length >= 2 && bare.threads.size === 0, 'a pause')
    const { length } = bare.failed
    await bare.threads.close()
    await new Promise((resolve) => setTimeout(resolve, 400))
    expect([bare.failed.length, bare.threads.size]).toEqual([length, 0])
  })
})

test('a message that a producer posts is no greeting', async () => {
  const testbed = await PoolTestbed.make()
  const client = await testbed.open('postsMessages', { events: 5 })
  await client.over()
  expect(client.events).toEqual(numbers(5))
  await testbed.serves()
})

describe('a stream that can’t be sent to its thread', () => {
  test('fails, and harms no other one of that thread', async () => {
    // What makes it so comes after it was looked at.
    const testbed = await PoolTestbed.make({
      route: { onOpen: (_, { headers }) => void (headers['x-number'] === '1' && (input['late'] = () => {})) },
      workers: { streamsPerThread: 2 },
    })
    const { client: neighbour, flags } = await testbed.start('blocks')
    const input: Record<string, unknown> = { events: 1 }
    const client = await testbed.open('count', input)
    await client.over()
    expect(await testbed.closeInfo(client)).toMatchObject({
      reason: 'error',
      error: { name: 'DataCloneError' },
    })
    raise(flags, Flag.GO)
    await neighbour.over()
    expect(await testbed.reason(neighbour)).toBe('ended')
    await testbed.serves()
    await testbed.idle()
    expect(testbed.pool.lost).toBe(0)
  })
})

describe('a stream whose thread goes', () => {
  test('is lost with a thread that dies, and nothing else is said of it', async () => {
    const testbed = await PoolTestbed.make()
    const client = await testbed.open('exits', { events: 3 })
    await client.over()
    expect(client.events).toEqual(numbers(3))
    expect(await testbed.closeInfo(client)).toMatchObject({
      reason: 'lost',
      error: { code: 'HF_ERR_THREAD_LOST', message: expect.stringContaining('exited with code 3') as string },
    })
    expect(testbed.logged).toHaveLength(1)
    await testbed.serves()
  })

  test('has ended with the server that is closed, though its producer went on', async () => {
    const testbed = await PoolTestbed.make({ graceMs: 50, workers: { graceMs: 60_000 } })
    const client = await testbed.open('neverStops', { flags: makeFlags() })
    await client.got('up')
    await testbed.app.close()
    expect(await testbed.reason(client)).toBe('shutdown')
    expect(testbed.logged).toEqual([])
  })
})
