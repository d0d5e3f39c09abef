/** One file: options, pushes, memory and ids of a History are looked at through the same counts. */
import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { History, type FollowOptions, type HistoryEvent, type HistoryOptions } from '../../src/index.ts'
import { encodeEvent } from '../../src/sse/event.ts'
import { serve, join, datas, count } from './history-follower.ts'
import { until } from '../../src/testing/flags.ts'

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
