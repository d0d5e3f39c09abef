import { Worker } from 'node:worker_threads'
import { describe, expect, test } from 'vitest'
import { DecodingClient } from '../support/decoding-client.ts'
import { Flag, makeFlags, raise } from '../../src/testing/flags.ts'
import {
  expectLost,
  expectUnharmed,
  expectWhole,
  Field,
  victim,
  type Memory,
} from './scribbled-threads-field.ts'
import { HEAD } from '../support/ring/memory.ts'
import { miscoded, RECIPES, logging } from './scribbled-threads-producers.ts'
import { LONG, TIMEOUT, many, rounds } from '../support/random.ts'
import { Testbed } from '../support/testbed.ts'
import { PoolTestbed } from '../support/pool-testbed.ts'

/** Of a stream's credit, as credit.ts describes it. */
const CLOSED = 0
const DRAINED = 1
const WAITING = 2
const BEGUN = 4
const WORDS = 5

describe('a thread that overwrites its ring is lost with its streams, and nothing else', () => {
  test.each(Object.entries(RECIPES))('%s', { timeout: TIMEOUT }, async (_, recipes) => {
    const field = await Field.make()
    for (const recipe of Object.keys(recipes)) {
      await field.neighbourhood()
      const { client, thread, go } = await victim(field, 'scribbling', { recipe })
      go()
      await client.over()
      const { reason, error } = await field.testbed.closeInfo(client)
      expect({ recipe, reason, message: (error as Error).message }).toEqual({
        recipe,
        reason: 'lost',
        message: expect.stringContaining('it has overwritten its ring') as string,
      })
      await expectLost(field, thread)
      await expectUnharmed(field, thread)
      await expectWhole(field)
    }
    expect(Object.prototype).not.toHaveProperty('polluted')
  })

  test.each([
    ['an end that never comes is missed when the producer has returned', 'neverDone'],
    ['an end that a longer event has swallowed is missed too', 'swallowing'],
    ['an event that never ends is missed when its stream does', 'cutShort'],
  ])('%s', async (_, producer) => {
    const field = await Field.make()
    await field.neighbourhood()
    const { client, thread, go } = await victim(field, producer)
    go()
    await client.over()
    expect(await field.testbed.reason(client)).toBe('lost')
    await expectLost(field, thread)
    await expectUnharmed(field, thread)
    await expectWhole(field)
  })
})

test('under any stream’s number a thread reaches its own streams only', async () => {
  const field = await Field.make()
  await field.neighbourhood()
  const { client, thread, go } = await victim(field, 'impersonating', { most: 20 })
  go()
  await client.over()
  // Its own number was among them.
  expect(client.text).toContain('forged')
  await expectUnharmed(field, thread)
  for (const neighbour of field.neighbours) neighbour.client.leave()
  await expectWhole(field)
})

test('an event of which no doorbell tells is found all the same', async () => {
  const field = await Field.make()
  const { client, go, thread } = await victim(field, 'silent')
  go()
  await client.got('victim 0\n\n')
  expect(client.events).toEqual([`victim on ${thread}`, 'victim 0'])
  client.leave()
  await expectWhole(field)
})

test('a line that the logger refuses ends nothing', async () => {
  const testbed = await PoolTestbed.make({ producers: { logging } })
  const client = await testbed.open('logging')
  await client.over()
  expect(client.events).toEqual(['0', '1'])
  expect(await testbed.reason(client)).toBe('ended')
  await testbed.serves()
})

test('an event that is said not to be compressed ends the thread of a body that is', async () => {
  const testbed = await Testbed.everywhere({ compress: true })
  const flags = makeFlags()
  testbed.route('/', miscoded, { tag: 'victim', flags }, { executor: 'workers' })
  const client = await DecodingClient.open(testbed, '/', { accept: 'gzip' })
  await client.got('victim 0\n\n')
  raise(flags, Flag.GO)
  expect(await client.over()).toBe('data: victim 0\n\n')
  expect(client).toMatchObject({ coding: 'gzip', complete: true })
  expect(await testbed.closeInfo()).toMatchObject({ reason: 'lost' })
  await testbed.idle()
})

test('no two threads share memory', async () => {
  const field = await Field.make()
  await field.neighbourhood()
  const memories = [...field.memories.values()]
  const buffers = memories.flatMap(({ ring, credit }) => [ring.buffer, credit.buffer])
  for (const memory of memories) memory.ring[1] = memory.credit[memory.credit.length - 1] = 77
  const marks = memories.map(({ ring, credit }) => [ring[1], credit.at(-1)])
  expect(memories).toHaveLength(2)
  expect(new Set(buffers).size).toBe(4)
  ;(memories[0] as Memory).ring[1] = 78
  ;(memories[0] as Memory).credit[(memories[0] as Memory).credit.length - 1] = 78
  expect(marks).toEqual([
    [77, 77],
    [77, 77],
  ])
  expect([memories[1]?.ring[1], memories[1]?.credit.at(-1)]).toEqual([77, 77])
})

test('a thread whose credit is overwritten harms its own streams only', { timeout: TIMEOUT }, async () => {
  const field = await Field.make()
  for (const [offset, value] of [
    [CLOSED, 1],
    // A reason that there is not.
    [CLOSED, 99],
    // More than was written, and less than was drained before.
    [DRAINED, 1_000_000_000],
    [DRAINED, -1_000_000_000],
    [WAITING, 0],
    [WAITING, -1],
    [BEGUN, 0],
    [undefined, 0x5555_5555],
  ]) {
    await field.neighbourhood()
    const thread = field.neighbours[1]?.thread as string
    const { credit } = field.memories.get(thread) as Memory
    // Ten streams a thread.
    expect(credit).toHaveLength(10 * WORDS)
    for (let turns = 0; turns < 20; turns++) {
      for (let word = 0; word < credit.length; word++) {
        if (offset === undefined || word % WORDS === offset) credit[word] = value as number
      }
      await new Promise((resolve) => setTimeout(resolve, 1))
    }
    await expectUnharmed(field, thread)
    for (const neighbour of field.neighbours) neighbour.client.leave()
    await expectWhole(field)
  }
})

test('a stream that has begun is not begun again, whatever its thread says of it', async () => {
  const field = await Field.make()
  await field.neighbourhood()
  const thread = field.neighbours[1]?.thread as string
  const { credit, ring } = field.memories.get(thread) as Memory
  for (let word = BEGUN; word < credit.length; word += WORDS) credit[word] = 0
  // Until the reader looks before the writer stores it again.
  const scribbling = setInterval(() => (ring[HEAD] = (ring[HEAD] as number) ^ 1), 0)
  await expectLost(field, thread)
  clearInterval(scribbling)
  for (const { client, tag } of field.neighbours) expect(client.text.split(`${tag} on`)).toHaveLength(2)
  await expectUnharmed(field, thread)
  await expectWhole(field)
})

/** Overwrites words of a ring from a thread of its own, while others read and write there. */
const SCRIBBLER = `
  const { workerData: { ring, seed, count }, threadId } = require('node:worker_threads')
  const words = new Int32Array(ring)
  let state = seed | 1
  const random = (below) => {
    state ^= state << 13; state ^= state >>> 17; state ^= state << 5
    return (state >>> 4) % below
  }
  for (let n = 0; n < count; n++) {
    const position = (words[random(2) * 16] >>> 0) % (ring.byteLength - 256)
    const near = 64 + ((position >> 2) + random(24)) % (words.length - 64)
    const word = random(4) === 0 ? random(4) * 16 : random(8) === 0 ? random(words.length) : near
    words[word] = [words[word] ^ (1 << random(32)), random(12), -random(4), random(2 ** 28) << 4][random(4)]
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, random(3))
  }
`

test(
  'words that are overwritten at random, while both sides use them, harm no other thread',
  { timeout: TIMEOUT },
  async () => {
    const reasons: Record<string, number> = {}
    await rounds(many(3, 300), async (random) => {
      const field = await Field.make()
      await field.neighbourhood()
      const thread = field.neighbours[1]?.thread as string
      const { ring } = field.memories.get(thread) as Memory
      const scribbler = new Worker(SCRIBBLER, {
        eval: true,
        workerData: { ring: ring.buffer, seed: random(2 ** 28), count: 1 + random(100) },
      })
      await new Promise((resolve) => scribbler.once('exit', resolve))
      await expectUnharmed(field, thread)
      // What is left of the overwritten thread may go on, or wait for ever.
      for (const { client, thread: home } of field.neighbours) {
        if (home !== thread) continue
        client.leave()
        const reason = await field.testbed.reason(client)
        reasons[reason] = (reasons[reason] ?? 0) + 1
      }
      await expectWhole(field)
      await field.close()
    })
    if (LONG) console.log(reasons)
    expect(reasons['lost']).toBeGreaterThan(0)
  },
)
