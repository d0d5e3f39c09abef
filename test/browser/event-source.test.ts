import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { History, inline, workers, type Executor } from '../../src/index.ts'
import { everyKind, KINDS } from '../support/every-kind.ts'
import { Testbed } from '../support/testbed.ts'
import { Chromium } from '../support/chromium.ts'
import { resuming } from './event-source-producers.ts'
import { State, Tab } from './event-source-tab.ts'
import { until } from '../../src/testing/flags.ts'
import { staysWith } from '../support/producers/endless.ts'
import { sending } from '../support/producers/plain.ts'
import { EXECUTORS } from '../support/executors.ts'

let chromium: Chromium

beforeAll(async () => {
  chromium = await Chromium.launch()
}, 120_000)

afterAll(async () => chromium.close())

const open = async (testbed: Testbed): Promise<Tab> => Tab.open(chromium.browser, testbed)

/** Counts requests by path. */
function countRequests({ app }: Testbed): Map<string, number> {
  const requests = new Map<string, number>()
  app.addHook('onRequest', async ({ url }) => {
    requests.set(url, (requests.get(url) ?? 0) + 1)
  })
  return requests
}

describe.each(EXECUTORS)('on executor %s, an EventSource', (executor) => {
  test('dispatches exactly what was sent', async () => {
    const testbed = await Testbed.make({ executor })
    testbed.app.get('/events', { sse: true }, async (_, reply) => reply.sse(everyKind))
    const tab = await open(testbed)

    let lastEventId = ''
    const expected: object[] = []
    for (const [sent, received] of KINDS) {
      // The page keeps the last id for the events that have none, also one that came without data.
      if (typeof sent === 'object' && sent.id !== undefined) lastEventId = String(sent.id)
      if (received === undefined) continue
      expected.push({ type: received.event ?? 'message', data: received.data, lastEventId })
    }
    const types = new Set(KINDS.map(([, received]) => received?.event ?? 'message'))
    await tab.listen('/events', [...types])
    expect((await tab.seen('/events', expected.length)).slice(0, expected.length)).toEqual(expected)
  })

  test('is open, and its close() reaches onClose as client', async () => {
    const testbed = await Testbed.make({ executor })
    testbed.app.get('/events', { sse: true }, async (_, reply) => reply.sse(staysWith, ['hello']))
    const tab = await open(testbed)
    await tab.listen('/events')
    await tab.seen('/events', 1)
    expect(await tab.state('/events')).toBe(State.OPEN)
    expect(testbed.closed).toEqual([])
    await tab.close('/events')
    expect((await testbed.closeInfo()).reason).toBe('client')
    await testbed.idle()
  })

  test('comes back after the end, and its producer gets the last id', async () => {
    const testbed = await Testbed.make({ executor })
    const requests = countRequests(testbed)
    testbed.app.get('/events', { sse: true }, async (_, reply) => reply.sse(resuming, 'grün 1 😀'))
    const tab = await open(testbed)
    await tab.listen('/events', ['message', 'back'])
    expect(await tab.seen('/events', 2)).toEqual([
      { type: 'message', data: 'first', lastEventId: 'grün 1 😀' },
      { type: 'back', data: '{"lastEventId":"grün 1 😀"}', lastEventId: 'grün 1 😀' },
    ])
    expect(await tab.state('/events')).toBe(State.OPEN)
    expect(requests.get('/events')).toBe(2)
    expect((await testbed.closeInfo()).reason).toBe('ended')
  })

  test('gives up for good at a 204', async () => {
    const testbed = await Testbed.make({ executor })
    const requests = countRequests(testbed)
    testbed.app.get('/events', { sse: true }, async (_, reply) => {
      if (requests.get('/events') === 3) reply.code(204)
      return reply.sse(sending, [{ retry: 1, data: 'x' }])
    })
    testbed.app.get('/other', { sse: true }, async (_, reply) =>
      reply.sse(sending, [{ retry: 1, data: 'x' }]),
    )
    const tab = await open(testbed)
    await tab.listen('/events')
    await tab.until('/events', State.CLOSED)
    expect(requests.get('/events')).toBe(3)
    expect(await tab.seen('/events', 2)).toHaveLength(2)
    // Another that was told to wait as long has come back often meanwhile.
    await tab.listen('/other')
    await tab.seen('/other', 5)
    expect(requests.get('/events')).toBe(3)
    await tab.close('/other')
  })
})

test('waits for as long as retry says', async () => {
  const testbed = await Testbed.make()
  const requests = countRequests(testbed)
  for (const [path, retry] of [
    ['/long', 3_600_000],
    ['/unsaid', undefined],
    ['/short', 1],
  ] as const) {
    testbed.app.get(path, { sse: true }, async (_, reply) => reply.sse(sending, [{ retry, data: path }]))
  }
  const tab = await open(testbed)
  for (const path of ['/long', '/unsaid', '/short']) await tab.listen(path)
  // In this order: the browser's own pause is between the two.
  await tab.seen('/short', 4)
  expect(requests.get('/unsaid')).toBe(1)
  await tab.seen('/unsaid', 2)
  expect(requests.get('/long')).toBe(1)
  expect(await tab.state('/long')).toBe(State.CONNECTING)
  for (const path of ['/long', '/unsaid', '/short']) await tab.close(path)
})

/** Executors that have room for one stream. */
const narrow: [string, () => Executor][] = [
  ['of threads', () => workers({ threads: 1, streamsPerThread: 1, maxQueue: 0 })],
  [
    "of the server's thread",
    () => ({
      ...inline(),
      admit(_, { running, waiting }) {
        if (running + waiting > 0) throw Object.assign(new Error('no room'), { statusCode: 503 })
      },
    }),
  ],
]

describe.each(narrow)('an executor %s that is full', (_, make) => {
  /** Two EventSources for the one place: the first has it, the second has come. */
  async function crowd(
    refusal: 'retry' | 'status',
  ): Promise<{ testbed: Testbed; tab: Tab; requests: Map<string, number> }> {
    const testbed = await Testbed.make({ executor: 'narrow', executors: { narrow: make() }, refusal })
    const requests = countRequests(testbed)
    for (const path of ['/first', '/second']) testbed.route(path, staysWith, [path])
    const tab = await open(testbed)
    await tab.listen('/first')
    await tab.seen('/first', 1)
    await tab.listen('/second')
    return { testbed, tab, requests }
  }

  test('with refusal "retry" makes an EventSource come back, and then succeed', async () => {
    const { testbed, tab, requests } = await crowd('retry')
    await until(() => testbed.app.sse.stats().executors['narrow']?.refused === 1, 'the refusal')
    await tab.until('/second', State.CONNECTING)
    await tab.close('/first')
    expect(await tab.seen('/second', 1)).toMatchObject([{ data: '/second' }])
    expect(await tab.state('/second')).toBe(State.OPEN)
    expect(requests.get('/second')).toBeGreaterThanOrEqual(2)
  })

  test('with refusal "status" makes it give up', async () => {
    const { testbed, tab, requests } = await crowd('status')
    await tab.until('/second', State.CLOSED)
    expect(requests.get('/second')).toBe(1)
    expect(testbed.app.sse.stats().executors['narrow']).toMatchObject({ admitted: 1, refused: 1 })
  })
})

test('a history loses no event to a connection that breaks, not even before the first one', async () => {
  const testbed = await Testbed.make({ retryMs: 1 })
  const history = new History()
  testbed.app.get('/events', { sse: true }, async (_, reply) =>
    reply.sse(async function* (stream) {
      let placed = false
      for await (const event of history.follow('key')(stream)) {
        yield event
        // Has no id of its own, so that the page keeps the one before it, and shows it.
        if (!placed) yield { event: 'placed', data: '' }
        placed = true
      }
    }),
  )
  const tab = await open(testbed)
  await tab.listen('/events', ['message', 'placed'])
  expect(await tab.seen('/events', 1)).toEqual([
    { type: 'placed', data: '', lastEventId: history.lastId('key') },
  ])
  const sent = []
  for (let n = 0; n < 10; n++) {
    await until(() => history.stats().followers === 1, 'the browser to follow')
    testbed.app.server.closeAllConnections()
    // Not a look at the followers: the browser may be back by then.
    await until(() => testbed.closed.length > n, 'the connection to be broken')
    history.push('key', { data: n })
    const id = history.push('key', { data: `${n}, again` })
    sent.push({ data: String(n) }, { data: `${n}, again`, lastEventId: id })
    // Each time it was placed, and then had both.
    const seen = await tab.seen('/events', 1 + (n + 1) * 3)
    expect(seen.filter(({ type }) => type === 'message')).toMatchObject(sent)
  }
})

test('a server that closes sends its browsers away for longer than its grace', async () => {
  const testbed = await Testbed.make()
  const requests = countRequests(testbed)
  testbed.app.get('/events', { sse: true }, async (_, reply) => reply.sse(staysWith, ['hello']))
  const tab = await open(testbed)
  await tab.listen('/events')
  await tab.seen('/events', 1)
  await testbed.app.close()
  await tab.until('/events', State.CONNECTING)
  expect((await testbed.closeInfo()).reason).toBe('shutdown')
  expect(requests.get('/events')).toBe(1)
})
