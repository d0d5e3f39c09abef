import { getEventListeners } from 'node:events'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { History } from '../../src/index.ts'
import { Testbed } from '../support/testbed.ts'
import { Follower, serve, join, datas, count } from './history-follower.ts'
import { until } from '../../src/testing/flags.ts'

describe.each(['inline', 'microtask', 'deferred'] as const)('on executor %s', (executor) => {
  test('a new client gets what is pushed from now on', async () => {
    const history = new History()
    const testbed = await serve(history, { executor })
    history.push('key', 'before')
    const follower = await join(testbed)
    await follower.placed()
    expect(follower.lastEventId).toBe(history.lastId('key'))
    const ids = [history.push('key', 'one'), history.push('key', { event: 'e', data: { two: 'lines\n' } })]
    await count(follower, 2)
    expect(follower.got).toEqual([
      { event: 'message', data: 'one', id: ids[0] },
      { event: 'e', data: '{"two":"lines\\n"}', id: ids[1] },
    ])
  })

  test('with from "oldest" it gets what is there, then what is pushed', async () => {
    const history = new History({ maxEvents: 3 })
    const testbed = await serve(history, { executor, from: 'oldest' })
    for (let n = 1; n <= 5; n++) history.push('key', { data: n })
    const follower = await join(testbed)
    await count(follower, 3)
    history.push('key', { data: 6 })
    await count(follower, 4)
    expect(datas(follower)).toEqual(['3', '4', '5', '6'])
  })

  test('one that was cut before its first event misses none', async () => {
    const history = new History()
    const testbed = await serve(history, { executor })
    const follower = await join(testbed)
    await follower.placed()
    follower.cut()
    await until(() => history.stats().followers === 0, 'it to have left')
    history.push('key', 'meanwhile')
    await follower.connect()
    await count(follower, 1)
    expect(datas(follower)).toEqual(['meanwhile'])
  })

  test('a client with the state of a place gets what came after it, also over a reconnect', async () => {
    const history = new History()
    const testbed = await Testbed.make()
    testbed.app.get<{ Querystring: { after: string } }>('/', { sse: { executor } }, async (request, reply) =>
      reply.sse(history.follow('key', { after: request.query.after })),
    )
    history.push('key', 'in the state')
    const path = `/?after=${history.lastId('key')}`
    history.push('key', 'one')
    const follower = new Follower(testbed, path)
    await follower.connect()
    await count(follower, 1)
    follower.cut()
    history.push('key', 'two')
    await follower.connect()
    await count(follower, 2)
    expect(datas(follower)).toEqual(['one', 'two'])
  })

  test('followers of a deleted key get what was pushed before, then their streams end', async () => {
    const history = new History()
    const testbed = await serve(history, { executor })
    const follower = await join(testbed)
    await follower.placed()
    history.push('key', 'last')
    expect(history.delete('key')).toBe(true)
    expect(history.delete('key')).toBe(false)
    history.push('key', 'of the next')
    const { body } = await follower.client.response()
    expect(body).toMatch(/^id: .+\.0\n\nid: .+\.1\ndata: last\n\n$/)
    expect((await testbed.closeInfo()).reason).toBe('ended')
    expect(history.stats()).toMatchObject({ keys: 1, events: 1, followers: 0 })
    // Its id is of a history that is no more.
    follower.take()
    await follower.connect()
    await count(follower, 2)
    expect(follower.got.at(-1)).toMatchObject({ event: 'behind', data: '{"missed":null}' })
  })

  test('also of one that waits', async () => {
    const history = new History()
    const testbed = await serve(history, { executor })
    const follower = await join(testbed)
    await until(() => history.stats().waiting === 1, 'it to wait')
    history.delete('key')
    expect((await follower.client.response()).body).toMatch(/^id: .+\.0\n\n$/)
    await testbed.idle()
  })

  test('a follower that waits ends with the server', async () => {
    const history = new History()
    const testbed = await serve(history, { executor })
    const follower = await join(testbed)
    await follower.placed()
    await testbed.app.close()
    expect((await testbed.closeInfo()).reason).toBe('shutdown')
    expect(testbed.counted).toBe(0)
    expect(history.stats().followers).toBe(0)
  })

  test('nothing is left of 1,000 that have come and gone', async () => {
    setFlagsFromString('--expose-gc')
    const collect = runInNewContext('gc') as () => void
    const history = new History()
    const testbed = await Testbed.make()
    const signals: AbortSignal[] = []
    const streams: WeakRef<object>[] = []
    testbed.app.get('/key', { sse: { executor } }, async (_, reply) =>
      reply.sse((stream) => {
        signals.push(stream.signal)
        streams.push(new WeakRef(stream))
        return history.follow('key')(stream)
      }),
    )
    ;(await testbed.connect()).destroy()
    for (let batch = 0; batch < 20; batch++) {
      const followers = await Promise.all(Array.from({ length: 50 }, async () => join(testbed)))
      await Promise.all(followers.map(async (follower) => follower.placed()))
      expect(history.stats().followers).toBe(50)
      await until(() => history.stats().waiting === 50, 'all to wait')
      // Half of them leave while they wait for the first event, half while they wait for the next.
      for (const follower of followers.splice(25)) follower.cut()
      history.push('key', 'x')
      await Promise.all(followers.map(async (follower) => count(follower, 1)))
      for (const follower of followers) follower.cut()
      await until(() => history.stats().followers === 0, 'all to have left')
      expect(history.stats().waiting).toBe(0)
    }
    await testbed.idle()
    expect(signals).toHaveLength(1_000)
    expect(signals.flatMap((signal) => getEventListeners(signal, 'abort'))).toEqual([])
    expect(testbed.closed.map(({ reason }) => reason)).toEqual(Array(1_000).fill('client'))
    signals.length = 0
    await until(() => {
      collect()
      return streams.every((stream) => stream.deref() === undefined)
    }, 'all streams to be collected')
  })

  test('clients that come, go and come back have every event once, in its order', async () => {
    const history = new History({ maxEvents: 10_000 })
    const testbed = await serve(history, { executor })
    const step = fc.oneof(
      fc.record({ push: fc.integer({ min: 0, max: 1 }), times: fc.integer({ min: 1, max: 40 }) }),
      fc.record({ toggle: fc.nat(5) }),
      fc.record({ turns: fc.integer({ min: 1, max: 4 }) }),
      fc.record({ await: fc.nat(5) }),
    )
    let run = 0
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 50 }), async (steps) => {
        run++
        const keys = [`a${run}`, `b${run}`]
        const pushed: [number, number] = [0, 0]
        const push = (key: 0 | 1): void => {
          history.push(keys[key] as string, { data: `${keys[key]} ${pushed[key]++}` })
        }
        const clients = Array.from({ length: 6 }, (_, n) => {
          const key = (n % 2) as 0 | 1
          // What had been pushed before it asked, and what when it was known to have its place.
          return {
            key,
            follower: new Follower(testbed, `/${keys[key]}`),
            least: 0,
            most: undefined as number | undefined,
          }
        })
        const toggle = async (client: (typeof clients)[0]): Promise<void> => {
          const { follower, key } = client
          if (follower.connected) {
            follower.cut()
            return
          }
          if (follower.lastEventId === undefined) client.least = pushed[key]
          await follower.connect()
        }
        const place = async (client: (typeof clients)[0]): Promise<void> => {
          if (!client.follower.connected) await toggle(client)
          await client.follower.placed()
          client.most ??= pushed[client.key]
        }

        for (const action of steps) {
          if ('push' in action) {
            for (let n = 0; n < action.times; n++) push(action.push as 0 | 1)
          } else if ('toggle' in action) {
            await toggle(clients[action.toggle] as (typeof clients)[0])
          } else if ('turns' in action) {
            for (let n = 0; n < action.turns; n++) await nextTurn()
          } else {
            await place(clients[action.await] as (typeof clients)[0])
          }
        }
        for (const client of clients) await place(client)
        for (const key of [0, 1] as const) push(key)
        for (const { follower, key, least, most } of clients) {
          const last = `${keys[key]} ${pushed[key] - 1}`
          await follower.until(() => datas(follower).at(-1) === last, last)
          const got = datas(follower)
          const first = pushed[key] - got.length
          expect(got).toEqual(Array.from({ length: got.length }, (_, n) => `${keys[key]} ${first + n}`))
          expect(first).toBeGreaterThanOrEqual(least)
          expect(first).toBeLessThanOrEqual(most as number)
          follower.cut()
        }
      }),
      { numRuns: 30 },
    )
    await testbed.idle()
    expect(history.stats().followers).toBe(0)
  })

  describe.each(['now', 'oldest'] as const)('and from "%s"', (from) => {
    test('who comes back to a place that is gone is told how much is missing', async () => {
      const history = new History({ maxEvents: 4 })
      const testbed = await serve(history, { executor, from })
      const place = history.push('key', { data: 1 })
      for (let n = 2; n <= 10; n++) history.push('key', { data: n })
      const follower = await join(testbed, place)
      await count(follower, from === 'now' ? 1 : 5)
      history.push('key', { data: 11 })
      await count(follower, from === 'now' ? 2 : 6)
      const missed = from === 'now' ? 9 : 5
      expect(follower.got[0]).toEqual({
        event: 'behind',
        data: JSON.stringify({ missed }),
        // So that who is cut now is not told twice.
        id: place.replace(/\d+$/, from === 'now' ? '10' : '6'),
      })
      expect(datas(follower).slice(1)).toEqual(from === 'now' ? ['11'] : ['7', '8', '9', '10', '11'])
    })

    test('one that reads too slowly is told so, each time, and loses nothing else', async () => {
      const history = new History({ maxEvents: 10, maxBytes: 2_000_000 })
      const testbed = await serve(history, { executor, from })
      const follower = await join(testbed)
      await follower.placed()
      const filler = 'x'.repeat(65_536)
      let pushed = 0
      for (let round = 0; round < 2; round++) {
        follower.client.socket.pause()
        // Kernels take some MB, or some tens of them. Then it waits for its client while twice the ring goes by.
        for (let behind = 0; behind < 20;) {
          history.push('key', { data: `${++pushed} ${filler}` })
          await nextTurn()
          behind = history.stats().waiting === 0 ? behind + 1 : 0
        }
        expect(history.stats()).toMatchObject({ keys: 1, events: 10, followers: 1 })
        follower.client.socket.resume()
        await follower.until(
          () => follower.got.filter(({ event }) => event === 'behind').length > round,
          'behind',
        )
      }
      // Until it has caught up, the end may be among the events that it misses.
      await until(() => history.stats().waiting === 1, 'it to catch up')
      history.push('key', { event: 'end', data: 'end' })
      await follower.until(() => follower.got.at(-1)?.event === 'end', 'the end')
      /** The number of each event that came, and the one that it should have had. */
      const numbers: [string, string][] = []
      let expected = 1
      for (const { event, data } of follower.got) {
        if (event === 'behind') expected += (JSON.parse(data) as { missed: number }).missed
        else if (event === 'message') numbers.push([data.slice(0, data.indexOf(' ')), String(expected++)])
      }
      expect(numbers.filter(([came, due]) => came !== due)).toEqual([])
      expect(numbers.length).toBeGreaterThan(0)
      expect(expected).toBe(pushed + 1)
      expect(testbed.closed).toEqual([])
    })
  })
})
