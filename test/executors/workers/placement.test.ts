import { getPriority } from 'node:os'
import { describe, expect, onTestFinished, test } from 'vitest'
import type { WorkersOptions } from '../../../src/index.ts'
import { PoolTestbed } from '../../support/pool-testbed.ts'
import { until } from '../../../src/testing/flags.ts'
import type { DecodingClient } from '../../support/decoding-client.ts'

/** Opens a stream that stays, and answers the thread that it runs on. */
async function place(
  testbed: PoolTestbed,
  producer: string,
): Promise<{ client: DecodingClient; thread: string }> {
  const client = await testbed.open(producer)
  await until(() => client.events.length > 0, 'the first event')
  return { client, thread: client.events[0] as string }
}

describe('a stream is given to', () => {
  test('the thread with the fewest streams', async () => {
    const threads = 3
    const testbed = await PoolTestbed.make({ workers: { threads, streamsPerThread: 1_000 } })
    const streams = new Map<string, DecodingClient[]>()
    const open = async (): Promise<DecodingClient[]> => {
      const { client, thread } = await place(testbed, 'staysIdle')
      const clients = streams.get(thread) ?? []
      streams.set(thread, [...clients, client])
      return clients
    }
    // As long as threads start the others take what comes.
    while (streams.size < threads) await open()
    const fewest = (): number => Math.min(...[...streams.values()].map(({ length }) => length))
    for (let round = 0; round < 3 * threads; round++) {
      const least = fewest()
      expect(await open()).toHaveLength(least)
    }
    const [[thread, clients]] = streams as Iterable<[string, DecodingClient[]]> as [
      [string, DecodingClient[]],
    ]
    const { running } = testbed.pool
    for (const client of clients) client.leave()
    await until(() => testbed.pool.running === running - clients.length, 'their places')
    expect((await place(testbed, 'staysIdle')).thread).toBe(thread)
  })

  test.each([
    ['staysBusy', 'staysIdle'],
    ['staysIdle', 'staysBusy'],
  ] as const)('of two with as many, the one whose loop is idle (after %s, %s)', async (first, second) => {
    const testbed = await PoolTestbed.make({ workers: { threads: 2, streamsPerThread: 2 } })
    // Both threads have started when four streams run.
    const warming = await Promise.all([1, 2, 3, 4].map(async () => place(testbed, 'staysIdle')))
    for (const { client } of warming) client.leave()
    await testbed.idle()

    const threads = { [first]: await place(testbed, first), [second]: await place(testbed, second) }
    expect(threads['staysBusy']?.thread).not.toBe(threads['staysIdle']?.thread)
    const taken: (string | undefined)[] = []
    for (let round = 0; round < 6; round++) {
      const { client, thread } = await place(testbed, 'staysIdle')
      taken.push(thread)
      client.leave()
      await until(() => testbed.pool.running === 2, 'its place')
    }
    // The first looks back as far as the start of the threads.
    expect(taken.slice(1)).toEqual(Array.from({ length: 5 }, () => threads['staysIdle']?.thread))
  })
})

describe.runIf(process.platform === 'linux')('the priority of threads', () => {
  const own = getPriority()

  test.each<[WorkersOptions, lower: number]>([
    [{}, 10],
    [{ niceIncrement: 0 }, 0],
    [{ niceIncrement: 3 }, 3],
  ])('with %o is lower than the server’s by %i, and the server keeps its own', async (workers, lower) => {
    const testbed = await PoolTestbed.make({
      workers: { niceIncrement: undefined, ...workers } as never,
    })
    const client = await testbed.open('tellsPriority')
    await client.over()
    expect(client.events).toEqual([String(Math.min(own + lower, 19))])
    expect(getPriority()).toBe(own)
  })

  test('is left alone on a system where it is that of the whole process', async () => {
    const platform = Object.getOwnPropertyDescriptor(process, 'platform') as PropertyDescriptor
    onTestFinished(() => void Object.defineProperty(process, 'platform', platform))
    Object.defineProperty(process, 'platform', { ...platform, value: 'darwin' })
    const testbed = await PoolTestbed.make({ workers: { niceIncrement: 5 } })
    const client = await testbed.open('tellsPriority')
    await client.over()
    expect(client.events).toEqual([String(own)])
  })
})
