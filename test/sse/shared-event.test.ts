import { describe, expect, test } from 'vitest'
import { SharedEvent, type EventInput } from '../../src/index.ts'
import { encodeEvent } from '../../src/sse/event.ts'
import { EXECUTORS } from '../support/executors.ts'
import { Testbed } from '../support/testbed.ts'
import { sharing, single } from './shared-event-producers.ts'

const EVENTS: EventInput[] = [
  'text',
  'two\nlines',
  { data: { of: ['json', 1, null] } },
  { event: 'é', id: 7, retry: 5, data: '' },
  { id: 'a' },
  { retry: 1_000 },
]

describe('a shared event', () => {
  test.each(EVENTS.map((event) => [event]))('of %j is the same event, and the same text', (event) => {
    const shared = new SharedEvent(event)
    const text = encodeEvent(event)
    expect(shared.text).toBe(text)
    expect(shared.bytes).toBe(Buffer.byteLength(text))
    expect(encodeEvent(shared)).toBe(text)
    expect(new SharedEvent(shared).text).toBe(text)
  })

  test('has the fields that it was made of, its data serialized', () => {
    const { event, id, retry, data } = new SharedEvent({ event: 'price', id: 7, retry: 5, data: { a: 1 } })
    expect({ event, id, retry, data }).toEqual({ event: 'price', id: 7, retry: 5, data: '{"a":1}' })
  })

  test('is serialized once, by the serializer that it is given, and not changed any more', () => {
    let calls = 0
    const data = { n: 1 }
    const shared = new SharedEvent({ data }, (value) => `${++calls}: ${JSON.stringify(value)}`)
    data.n = 2
    expect([shared.text, shared.data, calls]).toEqual(['data: 1: {"n":1}\n\n', '1: {"n":1}', 1])
    expect(Object.isFrozen(shared)).toBe(true)
  })

  test('is made of fields that are read once, also where a getter returns another value each time', () => {
    let reads = 0
    const shared = new SharedEvent({
      get id() {
        return ++reads
      },
    })
    expect([shared.id, shared.text, reads]).toEqual([1, 'id: 1\n\n', 1])
  })

  test.each<[string, unknown, string]>([
    ['no event', 7, 'HF_ERR_EVENT_INVALID'],
    ['an unknown field', { date: 1 }, 'HF_ERR_EVENT_INVALID'],
    ['a name with a line end', { event: 'a\nb' }, 'HF_ERR_EVENT_FIELD'],
    ['data that is no JSON', { data: 1n }, 'HF_ERR_EVENT_DATA'],
  ])('is refused when it is made of %s', (_, event, code) => {
    expect(() => new SharedEvent(event as EventInput)).toThrow(expect.objectContaining({ code }))
  })
})

test('what only looks like one is sent like any other event, or refused', async () => {
  const { proxy, revoke } = Proxy.revocable({ data: '' }, {})
  revoke()
  const shared = new SharedEvent({ event: 'e', data: 'd' })
  const codes: unknown[] = []
  const testbed = await Testbed.serving(async (stream) => {
    stream.send({ event: shared.event, data: shared.data })
    stream.send(new Proxy(shared, {}))
    for (const event of [proxy, Object.create(SharedEvent.prototype)]) {
      try {
        stream.send(event as EventInput)
      } catch (error) {
        codes.push((error as { code?: string }).code)
      }
    }
  })
  expect((await testbed.request('/')).body).toBe(shared.text.repeat(2))
  expect(codes).toEqual(['HF_ERR_EVENT_INVALID', 'HF_ERR_EVENT_INVALID'])
})

describe.each(EXECUTORS)('on %s', (executor) => {
  test.each([
    ['event', false],
    ['tick', false],
    ['event', true],
  ] as const)(
    'streams send the same bytes as of single events (flush %s, compressed: %s)',
    async (flush, compress) => {
      const testbed = await Testbed.everywhere({ executor, flush, compress })
      testbed.route('/single', single, undefined)
      testbed.route('/shared', sharing, undefined)
      const { body } = await testbed.request('/single')
      expect(body).toContain('id: 19\n')
      for (let stream = 0; stream < 3; stream++) {
        expect((await testbed.request('/shared')).body).toBe(body)
      }
      await testbed.idle()
      expect(testbed.app.sse.stats().routes['GET /shared']).toMatchObject({ events: 3 * 24 })
    },
  )
})
