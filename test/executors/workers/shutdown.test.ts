import { expect, test } from 'vitest'
import { Flag, makeFlags, raise, untilRaised, until } from '../../../src/testing/flags.ts'
import type { Left } from './shutdown-server.ts'
import { PoolTestbed } from '../../support/pool-testbed.ts'
import { runScript } from '../../support/processes.ts'

/** Runs a server to its end. The time-out is for safety only: a process that does not end by itself has failed. */
async function closeServer(graceMs: number, stuck = ''): Promise<Left> {
  return runScript(new URL('./shutdown-server.ts', import.meta.url), {
    args: [graceMs, stuck],
    timeout: 18_000,
  })
}

test('a process whose server closes with running and waiting streams ends by itself', async () => {
  const { stats, closed, named, resources } = await closeServer(60_000)
  expect(stats).toMatchObject({ running: 0, waiting: 0, threads: 0, lost: 0 })
  expect(closed).toMatchObject({ 'GET /stays': { shutdown: 6 } })
  expect(named).toEqual([])
  expect(resources).not.toContain('MessagePort')
  expect(resources).not.toContain('Timeout')
})

test('a process whose server closes with a stuck stream ends by itself, after the grace', async () => {
  const { stats, closed, named } = await closeServer(200, 'stuck')
  expect(stats).toMatchObject({ waiting: 0, lost: 0 })
  // Named is what has not ended by then; a thread that is terminated may be gone at once.
  for (const name of named) expect(['pool: GET /stuck', 'pool: GET /stays']).toContain(name)
  expect(closed).toMatchObject({ 'GET /stays': { shutdown: 6 }, 'GET /stuck': { shutdown: 1 } })
})

test('every stream gets its farewell, and producers hear why', async () => {
  const testbed = await PoolTestbed.make({ workers: { streamsPerThread: 2 } })
  const flags = makeFlags()
  const reason = new Uint8Array(new SharedArrayBuffer(40))
  const running = await testbed.open('listens', { flags, reason })
  await untilRaised(flags, Flag.STARTED)
  const blocking = await testbed.open('blocks', { flags })
  await untilRaised(flags, Flag.STARTED, 2)
  const waiting = await testbed.open('count', { events: 1 })
  const closed = testbed.app.close()
  for (const each of [running, blocking, waiting]) {
    expect(await each.over()).toMatch(/: the server is closing\nretry: \d+\n$/)
    expect(await testbed.reason(each)).toBe('shutdown')
  }
  expect(waiting.events).toEqual([])
  raise(flags, Flag.GO)
  await untilRaised(flags, Flag.SEEN)
  expect(Buffer.from(reason).toString().replaceAll('\0', '')).toBe('AbortError shutdown')
  await closed
  expect(testbed.pool).toMatchObject({ running: 0, waiting: 0, threads: 0 })
})

test('a pool whose threads are about to start is closed as well', async () => {
  const testbed = await PoolTestbed.make({ workers: { threads: 2 } })
  const client = await testbed.open('count', { events: 1 })
  await testbed.app.close()
  await client.over()
  expect(['shutdown', 'ended']).toContain(await testbed.reason(client))
  await until(() => testbed.pool.threads === 0, 'no thread')
  expect(testbed.pool).toMatchObject({ running: 0, waiting: 0 })
})

test('a pool that never had a stream has no thread, and closes', async () => {
  const testbed = await PoolTestbed.make()
  expect(testbed.pool.threads).toBe(0)
  await testbed.app.close()
  expect(testbed.pool.threads).toBe(0)
})
