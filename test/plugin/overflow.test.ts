import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import type { FastifyRequest } from 'fastify'
import { describe, expect, test } from 'vitest'
import type { Executor, RouteOptions } from '../../src/index.ts'
import { Flag, makeFlags, untilRaised, until, type Flags } from '../../src/testing/flags.ts'
import { DecodingClient } from '../support/decoding-client.ts'
import type { Testbed } from '../support/testbed.ts'
import type { Watched } from '../support/watched-executor.ts'
import * as flooding from '../support/producers/flooding.ts'
import { turns } from '../support/waiting.ts'
import { serve, numbersIn, dropped, FLOOD, FRAME_BYTES } from './overflow-streams.ts'
import { BUILT_IN } from '../support/built-in-executors.ts'

const isAscending = (numbers: readonly number[]): boolean =>
  numbers.every((number, index) => index === 0 || number > (numbers[index - 1] as number))

interface Flooded {
  testbed: Testbed
  watched: Watched
  /** Has not read anything yet. */
  client: DecodingClient
  flags: Flags
  /** Has the producer go on, and the client read to the end. */
  finish: () => Promise<void>
}

/** A client that does not read, and a producer that has sent it all that it has. */
async function flood(
  executor: Executor,
  input: Omit<flooding.Flood, 'flags'>,
  options: Omit<RouteOptions<FastifyRequest>, 'onClose'>,
): Promise<Flooded> {
  const flags = makeFlags()
  const { testbed, watched } = await serve(executor, flooding.flooding, { flags, ...input }, options)
  const client = await DecodingClient.open(testbed, '/', { paused: true })
  await untilRaised(flags, Flag.SEEN)
  const finish = async (): Promise<void> => {
    Atomics.store(flags, Flag.GO, 1)
    client.read()
    await client.over()
  }
  return { testbed, watched, client, flags, finish }
}

function collectGarbage(): void {
  setFlagsFromString('--expose-gc')
  ;(runInNewContext('gc') as () => void)()
}

/** As `untilRaised()`, for what takes a while. */
async function untilRaisedPatiently(flags: ReturnType<typeof makeFlags>): Promise<void> {
  for (let rounds = 0; rounds < 10_000 && Atomics.load(flags, Flag.SEEN) === 0; rounds++) {
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
  expect(Atomics.load(flags, Flag.SEEN)).toBe(1)
}

describe.each(Object.entries(BUILT_IN))('%s', (_, make) => {
  test('close: the stream is closed as overflow, and nothing was dropped', async () => {
    const flags = makeFlags()
    const input = { flags, names: 1, ...FLOOD, count: 100_000 }
    const options = { maxBuffered: 300_000, overflow: 'close' as const }
    const { testbed } = await serve(make(), flooding.flooding, input, options)
    const client = await DecodingClient.open(testbed, '/', { paused: true })
    expect(await testbed.closeInfo()).toMatchObject({ reason: 'overflow', dropped: 0 })
    expect(testbed.app.sse.stats().routes['GET /']).toMatchObject({ closed: { overflow: 1 }, dropped: 0 })
    await untilRaised(flags, Flag.SEEN)
    Atomics.store(flags, Flag.GO, 1)
    client.read()
    await client.over()
    expect(client.complete).toBe(false)
  })

  test('drop-oldest: what arrives is in order, the newest is there, and the gap is counted', async () => {
    const input = { names: 1, ...FLOOD }
    const maxBuffered = 300_000
    const { testbed, watched, client, flags, finish } = await flood(make(), input, {
      maxBuffered,
      overflow: 'drop-oldest',
    })
    await finish()
    const info = await testbed.closeInfo()
    expect(info).toMatchObject({ reason: 'ended', events: FLOOD.count + 1 })
    expect(info.dropped).toBeGreaterThan(0)
    expect(client.events.length + info.dropped).toBe(info.events)
    expect(dropped(testbed)).toBe(info.dropped)
    const numbers = numbersIn(client)
    expect(isAscending(numbers)).toBe(true)
    expect(numbers.slice(-3)).toEqual([FLOOD.count - 3, FLOOD.count - 2, FLOOD.count - 1])
    expect(client.events.at(-1)).toBe('last')
    expect(watched.most).toBeLessThanOrEqual(maxBuffered + FLOOD.size + FRAME_BYTES)
    // `ready()` had resolved.
    expect(Atomics.load(flags, Flag.FINALLY)).toBe(1)
  })

  test.each(['event', 'id'] as const)('latest by %s: only the newest of each waits', async (latest) => {
    const names = 5
    const input = { names, ...FLOOD }
    const maxBuffered = 500_000
    const { testbed, watched, client, finish } = await flood(make(), input, {
      maxBuffered,
      overflow: { latest },
    })
    await until(() => watched.events() === FLOOD.count, 'all to be taken')
    // A part of what was handed over, and one event a name.
    expect(watched.buffered()).toBeLessThanOrEqual((names + 2) * (FLOOD.size + FRAME_BYTES))
    await finish()
    const info = await testbed.closeInfo()
    expect(info.dropped).toBeGreaterThan(0)
    expect(client.events.length + info.dropped).toBe(info.events)
    expect(dropped(testbed)).toBe(info.dropped)
    const numbers = numbersIn(client)
    expect(isAscending(numbers)).toBe(true)
    const newest = Array.from({ length: names }, (__, index) => FLOOD.count - names + index)
    expect(numbers.slice(-names)).toEqual(newest)
    // Before them stands what had been handed over, without a gap.
    const handedOver = numbers.slice(0, -names)
    expect(handedOver).toEqual(handedOver.map((___, index) => index))
    expect(watched.most).toBeLessThanOrEqual(maxBuffered + FLOOD.size + FRAME_BYTES)
  })

  test('ready() waits for as long as the client does not read', async () => {
    const input = { names: 1, ...FLOOD }
    const { watched, client, flags } = await flood(make(), input, {
      highWaterMark: 0,
      maxBuffered: 300_000,
      overflow: 'drop-oldest',
    })
    Atomics.store(flags, Flag.GO, 1)
    await until(() => watched.buffered() > 0, 'something to wait')
    await turns(10)
    expect(Atomics.load(flags, Flag.FINALLY)).toBe(0)
    client.read()
    await untilRaised(flags, Flag.FINALLY)
    await client.got('data: last\n\n')
  })

  test('the least bound: nothing waits but the newest event', async () => {
    const input = { names: 3, count: 3_000, size: 8_192 }
    const { testbed, watched, client, finish } = await flood(make(), input, {
      highWaterMark: 0,
      maxBuffered: 1,
      overflow: 'drop-oldest',
    })
    await finish()
    const info = await testbed.closeInfo()
    expect(info.dropped).toBeGreaterThan(0)
    expect(client.events.length + info.dropped).toBe(info.events)
    expect(isAscending(numbersIn(client))).toBe(true)
    expect(client.events.at(-1)).toBe('last')
    // The one that is being handed over, and the newest.
    expect(watched.most).toBeLessThanOrEqual(2 * (8_192 + FRAME_BYTES))
  })

  test('an event that is larger than the bound arrives all the same', async () => {
    const sizes = [3_000_000, 10, 2_000_000]
    const { testbed } = await serve(
      make(),
      flooding.large,
      { sizes },
      { highWaterMark: 0, maxBuffered: 1_000, overflow: { latest: 'event' } },
    )
    const client = await DecodingClient.open(testbed, '/')
    await client.over()
    expect(client.events.map(({ length }) => length)).toEqual(sizes)
    expect(await testbed.closeInfo()).toMatchObject({ reason: 'ended', dropped: 0 })
  })

  test.each(['close', 'drop-oldest'] as const)(
    'a generator waits for its client: nothing overflows (%s)',
    async (overflow) => {
      const [count, size] = [2_000, 10_000]
      const { testbed, watched } = await serve(
        make(),
        flooding.pumping,
        { count, size },
        { highWaterMark: 65_536, maxBuffered: 200_000, overflow },
      )
      const client = await DecodingClient.open(testbed, '/', { paused: true })
      await until(() => watched.buffered() > 65_536, 'the client to be behind')
      client.read()
      await client.over()
      expect(await testbed.closeInfo()).toMatchObject({ reason: 'ended', events: count, dropped: 0 })
      expect(numbersIn(client)).toEqual(Array.from({ length: count }, (__, number) => number))
    },
  )

  test('a client that leaves while events are dropped is seen', async () => {
    const input = { names: 3, ...FLOOD }
    const { testbed, client, flags } = await flood(make(), input, {
      maxBuffered: 200_000,
      overflow: { latest: 'event' },
    })
    client.leave()
    expect((await testbed.closeInfo()).reason).toBe('client')
    Atomics.store(flags, Flag.GO, 1)
    await testbed.idle()
  })

  test('a million events for a client that does not read take no memory', async () => {
    const flags = makeFlags()
    const input = { flags, names: 1_000_000, count: 1_000_000, size: 100 }
    const { testbed, watched } = await serve(make(), flooding.flooding, input, {
      maxBuffered: 300_000,
      overflow: 'drop-oldest',
    })
    // What the first ones take is taken once: buffers, code, the thread.
    const early = process.memoryUsage()
    await DecodingClient.open(testbed, '/', { paused: true })
    await untilRaisedPatiently(flags)
    // Not what is there for the garbage collector to take.
    collectGarbage()
    const late = process.memoryUsage()
    expect(watched.most).toBeLessThanOrEqual(300_000 + 200)
    // They are more than 100 MB together.
    expect(late.heapUsed + late.external - early.heapUsed - early.external).toBeLessThan(60_000_000)
  })
})
