import { getEventListeners } from 'node:events'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  History,
  type FollowOptions,
  type HistoryEvent,
  type HistoryOptions,
  type RouteOptions,
} from '../../src/index.ts'
import { encodeEvent } from '../../src/sse/event.ts'
import { Testbed } from '../support/testbed.ts'
import { Follower } from './history-follower.ts'
import { ticks } from './history-ticks.ts'
import { until } from '../../src/testing/flags.ts'

/** A server on which `/:key` follows that key. */
async function serve(history: History, options: FollowOptions & RouteOptions = {}): Promise<Testbed> {
  const { from, after, ...route } = options
  const follow = { ...(from !== undefined && { from }), ...(after !== undefined && { after }) }
  const testbed = await Testbed.make()
  testbed.app.get<{ Params: { key: string } }>('/:key', { sse: route }, async (request, reply) =>
    reply.sse(history.follow(request.params.key, follow)),
  )
  return testbed
}

/** A follower of `/key` that has its place. */
async function join(testbed: Testbed, lastEventId?: string, key = 'key'): Promise<Follower> {
  const follower = new Follower(testbed, `/${key}`)
  follower.lastEventId = lastEventId
  await follower.connect()
  await follower.client.head()
  return follower
}

const datas = ({ got }: Follower): string[] => got.map(({ data }) => data)

/** Resolves when so many events have come. */
const count = async (follower: Follower, events: number): Promise<void> =>
  follower.until(() => follower.got.length >= events, `${events} events`)

/** What a function returns, or the error that it throws. */
function attempt<T>(run: () => T): T | { code: string } {
  try {
    return run()
  } catch (error) {
    return error as { code: string }
  }
}

const codeOf = (run: () => unknown): unknown => (attempt(run) as { code?: string } | undefined)?.code

describe('options', () => {
  test.each<[unknown, string]>([
    [{ maxEvents: 0 }, 'Option "maxEvents" in new History() must be a whole number from 1, but got 0.'],
    [{ maxEvents: 1.5 }, 'Option "maxEvents" in new History() must be a whole number from 1, but got 1.5.'],
    [{ maxBytes: '1' }, 'Option "maxBytes" in new History() must be a whole number from 1, but got "1".'],
    [{ maxKeys: NaN }, 'Option "maxKeys" in new History() must be a whole number from 1, but got NaN.'],
    [{ behind: {} }, 'Option "behind" in new History() must be a function, but got an object (Object).'],
    [{ serializer: 'x' }, 'Option "serializer" in new History() must be a function, but got "x".'],
    [{ max: 1 }, 'Unknown option "max" in new History().'],
    [null, 'Option "options" in new History() must be an object, but got null.'],
    [5, 'Option "options" in new History() must be an object, but got 5.'],
  ])('%j are refused', (options, message) => {
    expect(() => new History(options as HistoryOptions)).toThrow(message)
  })

  test.each<[unknown, string]>([
    [{ from: 'start' }, `Option "from" in history.follow() must be 'now' or 'oldest', but got "start".`],
    [{ after: 5 }, 'Option "after" in history.follow() must be an id, as a string, but got 5.'],
    [{ since: 5 }, 'Unknown option "since" in history.follow().'],
    ['now', 'Option "options" in history.follow() must be an object, but got "now".'],
  ])('%j of follow() are refused', (options, message) => {
    expect(() => new History().follow('key', options as FollowOptions)).toThrow(message)
  })

  test.each([undefined, null, '', 5, {}])('%j is no key', (key) => {
    const history = new History()
    for (const use of [
      () => history.push(key as string, 'x'),
      () => history.follow(key as string),
      () => history.lastId(key as string),
    ]) {
      expect(codeOf(use)).toBe('HF_ERR_OPTION_INVALID')
    }
    expect(history.stats()).toEqual({ keys: 0, events: 0, bytes: 0, followers: 0, waiting: 0 })
  })
})

describe('push', () => {
  test.each<[unknown, string]>([
    [5, 'HF_ERR_EVENT_INVALID'],
    [null, 'HF_ERR_EVENT_INVALID'],
    [undefined, 'HF_ERR_EVENT_INVALID'],
    [[], 'HF_ERR_EVENT_INVALID'],
    [Buffer.from('x'), 'HF_ERR_EVENT_INVALID'],
    [{}, 'HF_ERR_EVENT_INVALID'],
    [{ dta: 1 }, 'HF_ERR_EVENT_INVALID'],
    [{ event: 'a\nb' }, 'HF_ERR_EVENT_FIELD'],
    [{ retry: -1 }, 'HF_ERR_EVENT_FIELD'],
    [{ data: 1, id: 'mine' }, 'HF_ERR_EVENT_FIELD'],
    [{ data: 1, id: '' }, 'HF_ERR_EVENT_FIELD'],
    [{ data: 1n }, 'HF_ERR_EVENT_DATA'],
    [{ data: () => {} }, 'HF_ERR_EVENT_DATA'],
    ['x'.repeat(200), 'HF_ERR_EVENT_TOO_LARGE'],
  ])('of %o throws, and keeps nothing', (event, code) => {
    const history = new History({ maxBytes: 200 })
    expect(codeOf(() => history.push('key', event as HistoryEvent))).toBe(code)
    expect(history.stats()).toEqual({ keys: 0, events: 0, bytes: 0, followers: 0, waiting: 0 })
    history.push('key', 'good')
    const before = history.stats()
    const lastId = history.lastId('key')
    expect(codeOf(() => history.push('key', event as HistoryEvent))).toBe(code)
    expect(history.stats()).toEqual(before)
    expect(history.lastId('key')).toBe(lastId)
  })

  test('says what it takes an event for that carries an id', () => {
    expect(() => new History().push('key', { data: 1, id: 'mine' } as HistoryEvent)).toThrow(
      'Field "id" of an event must be left out, since a History gives the ids, but got "mine".',
    )
  })

  test('takes an event whose text is exactly maxBytes', () => {
    const { bytes } = ((history) => (history.push('key', 'x'), history.stats()))(new History())
    expect(codeOf(() => new History({ maxBytes: bytes - 1 }).push('key', 'x'))).toBe('HF_ERR_EVENT_TOO_LARGE')
    const exact = new History({ maxBytes: bytes })
    exact.push('key', 'x')
    exact.push('key', 'y')
    expect(exact.stats()).toMatchObject({ events: 1, bytes })
  })

  test('answers ids that nobody else has', () => {
    const ids = new Set<string>()
    for (let n = 0; n < 100; n++) {
      const history = new History()
      for (const key of ['a', 'b']) for (let m = 0; m < 3; m++) ids.add(history.push(key, 'x'))
      history.delete('a')
      ids.add(history.push('a', 'x'))
      ids.add(history.lastId('c'))
    }
    expect(ids.size).toBe(800)
  })

  test('serializes once: what is done to the data afterwards changes nothing', async () => {
    let serialized = 0
    const serializer = (data: unknown): string => {
      serialized++
      return JSON.stringify(data)
    }
    const history = new History({ serializer })
    const testbed = await serve(history, { from: 'oldest', serializer: () => expect.unreachable() })
    const event = { event: 'e', data: { list: [1] } }
    history.push('key', event)
    event.data.list.push(2)
    event.event = 'other'
    const followers = await Promise.all([join(testbed), join(testbed)])
    history.push('key', event)
    event.data.list.length = 0
    for (const follower of followers) {
      await count(follower, 2)
      expect(follower.got.map(({ event: name, data }) => ({ event: name, data }))).toEqual([
        { event: 'e', data: '{"list":[1]}' },
        { event: 'other', data: '{"list":[1,2]}' },
      ])
    }
    expect(serialized).toBe(2)
  })
})

describe('memory', () => {
  test('a key holds the newest events that fit, and no more', () => {
    const codes = new Set<string>()
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 8 }),
        fc.integer({ min: 60, max: 400 }),
        fc.array(fc.integer({ min: 0, max: 80 }), { maxLength: 60 }),
        (maxEvents, maxBytes, sizes) => {
          const history = new History({ maxEvents, maxBytes })
          const kept: number[] = []
          for (const size of sizes) {
            const data = 'é'.repeat(size)
            const id = attempt(() => history.push('key', data))
            if (typeof id !== 'string') {
              codes.add(id.code)
              continue
            }
            kept.push(Buffer.byteLength(encodeEvent({ id, data })))
            const sum = (): number => kept.reduce((total, bytes) => total + bytes, 0)
            while (kept.length > maxEvents || sum() > maxBytes) kept.shift()
            expect(history.stats()).toEqual({
              keys: 1,
              events: kept.length,
              bytes: sum(),
              followers: 0,
              waiting: 0,
            })
          }
        },
      ),
    )
    expect(codes).toEqual(new Set(['HF_ERR_EVENT_TOO_LARGE']))
  })

  test.each<HistoryEvent>([
    'x',
    { data: 5 },
    { event: 'e' },
    { retry: 5 },
    { event: 'e', retry: 5, data: '' },
  ])('what is counted of %o is the text that a follower is sent', (event) => {
    const history = new History()
    const id = history.push('key', event)
    const fields = typeof event === 'string' ? { data: event } : event
    expect(history.stats().bytes).toBe(encodeEvent({ ...fields, id }).length)
  })

  test('over maxKeys the key that was not used for longest goes, first one without events', () => {
    const history = new History({ maxKeys: 3 })
    const ids = new Map(['a', 'b', 'c'].map((key) => [key, history.push(key, 'x')]))
    history.push('a', 'again')
    // Asking for its id makes a key without events.
    history.lastId('empty')
    expect(history.stats()).toMatchObject({ keys: 3, events: 3 })
    expect(history.delete('b')).toBe(false)
    history.push('d', 'x')
    expect(history.delete('empty')).toBe(false)
    expect(history.lastId('c')).toBe(ids.get('c'))
    history.push('e', 'x')
    expect(history.delete('a')).toBe(false)
    expect(history.stats()).toMatchObject({ keys: 3, events: 3 })
  })

  test('a key with followers stays, also where they are more than maxKeys; it may go when they have left', async () => {
    const history = new History({ maxKeys: 2 })
    const testbed = await serve(history)
    const followers = []
    for (const key of ['a', 'b', 'c']) {
      const follower = await join(testbed, undefined, key)
      await follower.placed()
      followers.push(follower)
      history.push(key, `to ${key}`)
    }
    history.push('d', 'x')
    history.push('e', 'x')
    expect(history.stats()).toMatchObject({ keys: 4, followers: 3 })
    expect(history.delete('d')).toBe(false)
    for (const [n, follower] of followers.entries()) {
      await count(follower, 1)
      expect(datas(follower)).toEqual([`to ${'abc'[n]}`])
      follower.cut()
    }
    await until(() => history.stats().followers === 0, 'all to have left')
    history.push('f', 'x')
    expect(history.stats()).toMatchObject({ keys: 2, followers: 0 })
  })

  test('clients that ask for any number of keys drive no key with events out', async () => {
    const history = new History({ maxKeys: 5 })
    const testbed = await serve(history, { from: 'oldest' })
    history.push('real', 'here')
    for (let n = 0; n < 20; n++) {
      const stranger = await join(testbed, undefined, `made-up-${n}`)
      await stranger.placed()
      stranger.cut()
    }
    await until(() => history.stats().followers === 0, 'all to have left')
    expect(history.stats()).toMatchObject({ keys: 5, events: 1 })
    const follower = await join(testbed, undefined, 'real')
    await count(follower, 1)
    expect(datas(follower)).toEqual(['here'])
  })
})

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
        for (let n = 0; n < 300; n++) {
          history.push('key', { data: `${++pushed} ${filler}` })
          await nextTurn()
        }
        expect(history.stats()).toMatchObject({ keys: 1, events: 10, followers: 1 })
        follower.client.socket.resume()
        await follower.until(
          () => follower.got.filter(({ event }) => event === 'behind').length > round,
          'behind',
        )
      }
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

describe('a generator around a follower', () => {
  test('decides what a client sees', async () => {
    const history = new History()
    const testbed = await Testbed.make()
    testbed.app.get('/', { sse: true }, async (_, reply) =>
      reply.sse(async function* (stream) {
        for await (const event of history.follow('key', { from: 'oldest' })(stream)) {
          if (typeof event !== 'string' && event.event !== 'internal') yield event
        }
      }),
    )
    history.push('key', 'one')
    history.push('key', { event: 'internal', data: 'two' })
    history.push('key', 'three')
    const follower = new Follower(testbed, '/')
    await follower.connect()
    await count(follower, 2)
    expect(datas(follower)).toEqual(['one', 'three'])
    follower.cut()
    await until(() => history.stats().followers === 0, 'it to have left')
    await testbed.idle()
  })

  test('that forgets to return it leaves nothing behind', async () => {
    const history = new History()
    const testbed = await Testbed.make()
    testbed.app.get('/', { sse: true }, async (_, reply) =>
      reply.sse(async function* (stream) {
        const { value } = await history.follow('key')(stream).next()
        if (value !== undefined) yield value
        await new Promise((resolve) => stream.signal.addEventListener('abort', resolve))
      }),
    )
    const follower = new Follower(testbed, '/')
    await follower.connect()
    await follower.placed()
    expect(history.stats().followers).toBe(1)
    follower.cut()
    await testbed.closeInfo()
    expect(history.stats().followers).toBe(0)
  })
})

describe('ids', () => {
  test('one of another key is unknown, and brings nothing of that key', async () => {
    const history = new History()
    const testbed = await serve(history, { from: 'oldest' })
    const ids = [1, 2, 3].map((n) => history.push('a', `secret ${n}`))
    for (const n of [1, 2, 3]) history.push('b', `b ${n}`)
    const follower = await join(testbed, ids[0], 'b')
    await count(follower, 4)
    history.push('a', 'secret 4')
    history.push('b', 'b 4')
    await count(follower, 5)
    expect(follower.got[0]).toMatchObject({ event: 'behind', data: '{"missed":null}' })
    expect(datas(follower).slice(1)).toEqual(['b 1', 'b 2', 'b 3', 'b 4'])
    expect(follower.client.responses[0]?.body).not.toMatch('secret')
  })

  test('of an earlier process is unknown', async () => {
    const earlier = new History()
    for (const n of [1, 2, 3]) earlier.push('key', `${n}`)
    const history = new History()
    const testbed = await serve(history)
    for (const n of [1, 2, 3, 4]) history.push('key', `${n}`)
    const follower = await join(testbed, earlier.lastId('key'))
    await count(follower, 1)
    expect(follower.got).toEqual([{ event: 'behind', data: '{"missed":null}', id: history.lastId('key') }])
  })

  test('that nobody has given are unknown, whatever their bytes', async () => {
    const history = new History()
    const testbed = await serve(history)
    const id = history.push('key', 'x')
    const epoch = id.slice(0, id.indexOf('.'))
    const made = [
      ...['2', '-1', '-0', '00', '01', '1.0', '1e0', '0x1', ' 1', '', 'NaN', 'Infinity', '9'.repeat(400)].map(
        (position) => `${epoch}.${position}`,
      ),
      epoch,
      '.1',
      '1',
      `${epoch}1`,
      `${epoch.toUpperCase()}.1`,
      'é\xff',
      '"',
      'x'.repeat(8_000),
    ]
    for (const lastEventId of made) {
      // HTTP drops white space around a value, so that these may come as no id, or as a true one.
      if (lastEventId.trim() === '' || lastEventId.trim() === id) continue
      const follower = await join(testbed, lastEventId)
      await count(follower, 1)
      expect(follower.got).toMatchObject([{ event: 'behind', data: '{"missed":null}' }])
      follower.cut()
    }
    // That of the place before the first event is a true one.
    const follower = await join(testbed, `${epoch}.0`)
    await count(follower, 1)
    expect(datas(follower)).toEqual(['x'])
    expect(testbed.logged).toEqual([])
  })
})

describe('behind', () => {
  test('is what the option makes of it', async () => {
    const told: unknown[] = []
    const history = new History({
      behind: (info) => {
        told.push(info)
        return { event: 'reload', data: info, retry: 5 }
      },
    })
    const testbed = await serve(history)
    const follower = await join(testbed, 'unknown')
    await count(follower, 1)
    expect(told).toEqual([{ key: 'key', missed: null }])
    const id = history.lastId('key')
    expect(follower.client.responses[0]?.body).toBe(
      `event: reload\nid: ${id}\nretry: 5\ndata: {"key":"key","missed":null}\n\n`,
    )
  })

  test.each<[string, HistoryOptions['behind'] & object, string]>([
    ['throws', () => expect.unreachable('no behind'), 'no behind'],
    ['gives an id', () => ({ id: 'x', data: 1 }) as HistoryEvent, 'since a History gives the ids'],
    ['gives no event', () => undefined as never, 'Not an event: undefined'],
  ])('that %s ends the stream as error, and that stream only', async (_, behind, message) => {
    const history = new History({ behind })
    const testbed = await serve(history)
    const other = await join(testbed)
    await other.placed()
    const follower = await join(testbed, 'unknown')
    await follower.client.response()
    const { reason, error } = await testbed.closeInfo()
    expect({ reason, message: (error as Error).message }).toEqual({
      reason: 'error',
      message: expect.stringContaining(message) as string,
    })
    history.push('key', 'x')
    await count(other, 1)
    expect(history.stats().followers).toBe(1)
  })
})

describe('on workers', () => {
  test('a follower is a closure, and refused as such', async () => {
    const testbed = await serve(new History(), { executor: 'workers' })
    const { status, body } = await testbed.request('/key')
    expect(status).toBe(500)
    expect(JSON.parse(body)).toMatchObject({ code: 'HF_ERR_PRODUCER_NOT_PORTABLE' })
  })

  test('a portable producer follows a history of its thread, until its client leaves', async () => {
    const testbed = await Testbed.make()
    testbed.app.get('/', { sse: { executor: 'workers' } }, async (_, reply) => reply.sse(ticks))
    const follower = new Follower(testbed, '/')
    await follower.connect()
    await count(follower, 3)
    expect(datas(follower)).toEqual(['1', '2', '3'])
    follower.cut()
    expect((await testbed.closeInfo()).reason).toBe('client')
    await testbed.idle()
  })
})
