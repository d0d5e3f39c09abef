import { setImmediate as nextTurn } from 'node:timers/promises'
import { describe, expect, test } from 'vitest'
import { producer, type EventStream, type StreamClosedError } from '../../src/index.ts'
import { get } from '../support/raw-client.ts'
import { Testbed } from '../support/testbed.ts'
import { until } from '../../src/testing/flags.ts'

/** Runs an executor's every test on each that lives on the server's thread. */
const executors = ['inline', 'microtask', 'deferred'] as const

const withDate = { at: new Date(0), big: 5n }
const serializer = (data: unknown): string =>
  JSON.stringify(data, (_, value: unknown) => (typeof value === 'bigint' ? `${value}n` : value))

describe('what a stream begins with', () => {
  test('retryMs stands before the first event, also before what onOpen sends', async () => {
    const testbed = await Testbed.serving(async (stream) => void stream.send('one'), {
      retryMs: 0,
      onOpen: (stream) => stream.comment('welcome'),
    })
    expect((await testbed.request('/')).body).toBe('retry: 0\n: welcome\ndata: one\n\n')
  })

  test.each<[string, string | undefined, string | undefined]>([
    ['absent', undefined, undefined],
    ['empty', '', undefined],
    ['plain', 'abc-1', 'abc-1'],
    ['with spaces around', '  7 ', '7'],
    ['UTF-8', Buffer.from('grün 😀').toString('latin1'), 'grün 😀'],
    ['bytes that are no UTF-8', '\xff\xfea', '\ufffd\ufffda'],
    ['zero', '0', '0'],
  ])('lastEventId: %s', async (_, sent, expected) => {
    let stream!: EventStream
    const testbed = await Testbed.serving(async (opened) => {
      stream = opened
    })
    await testbed.request('/', sent === undefined ? {} : { 'last-event-id': sent })
    expect(stream.lastEventId).toBe(expected)
  })
})

describe('the serializer', () => {
  test('of the route turns a closure’s data into text', async () => {
    const testbed = await Testbed.serving(async (stream) => void stream.send({ data: withDate }), {
      serializer,
    })
    expect((await testbed.request('/')).body).toBe('data: {"at":"1970-01-01T00:00:00.000Z","big":"5n"}\n\n')
  })

  test('of a portable producer is its own: the route’s has no say', async () => {
    const own = producer(import.meta.url, async (stream) => void stream.send({ data: 1 }), {
      serializer: () => 'own',
    })
    const none = producer(import.meta.url, async (stream) => void stream.send({ data: 1 }))
    const testbed = await Testbed.make({ serializer: () => 'the route’s' })
    testbed.app.get('/own', { sse: true }, async (_, reply) => reply.sse(own))
    testbed.app.get('/none', { sse: true }, async (_, reply) => reply.sse(none))
    expect((await testbed.request('/own')).body).toBe('data: own\n\n')
    expect((await testbed.request('/none')).body).toBe('data: 1\n\n')
  })

  test('that throws is an error at send()', async () => {
    const testbed = await Testbed.serving(
      async (stream) => {
        try {
          stream.send({ data: {} })
        } catch (error) {
          stream.send(`${(error as { code: string }).code}: ${((error as Error).cause as Error).message}`)
        }
      },
      {
        serializer: () => {
          throw new Error('no way')
        },
      },
    )
    expect((await testbed.request('/')).body).toBe('data: HF_ERR_EVENT_DATA: no way\n\n')
  })
})

describe('backpressure', () => {
  test('a generator goes on at the pace of the client, and nothing is lost', async () => {
    const size = 65_536
    const count = 400
    let yielded = 0
    const testbed = await Testbed.serving(function* () {
      for (; yielded < count; yielded++) yield { id: yielded, data: 'x'.repeat(size) }
    })
    const client = await testbed.ask('/')
    await client.head()
    client.socket.pause()
    // It stands still once the kernel takes no more: two looks, with turns between, see the same.
    let seen = -1
    while (seen !== yielded) {
      seen = yielded
      for (let turn = 0; turn < 50; turn++) await nextTurn()
    }
    expect(yielded).toBeLessThan(count)
    client.socket.resume()
    const { body } = await client.response()
    expect([...body.matchAll(/^id: (\d+)$/gm)].map(([, id]) => Number(id))).toEqual(
      Array.from({ length: count }, (_, id) => id),
    )
    expect((await testbed.closeInfo()).reason).toBe('ended')
  })

  test('ready() waits for a client that is behind, and answers false when it leaves', async () => {
    const answers: unknown[] = []
    const testbed = await Testbed.serving(async (stream) => {
      answers.push(await stream.ready())
      while (stream.send('x'.repeat(65_536)));
      answers.push(stream.closed)
      answers.push(await stream.ready())
    })
    const client = await testbed.connect()
    client.socket.pause()
    client.send(get('/'))
    await until(() => answers.length === 2, 'the client to be behind')
    client.destroy()
    await testbed.idle()
    expect(answers).toEqual([true, false, false])
    expect((await testbed.closeInfo()).reason).toBe('client')
  })

  test('over maxBuffered the stream is closed as overflow', async () => {
    let stream!: EventStream
    const testbed = await Testbed.serving(
      async (opened) => {
        stream = opened
        while (!opened.closed) opened.send('x'.repeat(65_536))
      },
      { maxBuffered: 200_000 },
    )
    const client = await testbed.connect()
    client.socket.pause()
    client.send(get('/'))
    expect(await testbed.closeInfo()).toMatchObject({ reason: 'overflow' })
    expect((stream.signal.reason as StreamClosedError).reason).toBe('overflow')
    client.socket.resume()
    await client.closed()
    expect(client.responses[0]?.complete).toBe(false)
    await testbed.idle()
  })
})

describe('inject()', () => {
  test.each(executors)('gets the whole response of a producer that ends (%s)', async (executor) => {
    const testbed = await Testbed.serving(
      async function* () {
        yield 'one'
        await nextTurn()
        yield { event: 'two', data: { n: 2 } }
      },
      { executor, retryMs: 5 },
    )
    const { statusCode, headers, body } = await testbed.app.inject('/')
    expect(statusCode).toBe(200)
    expect(headers['content-type']).toBe('text/event-stream')
    expect(body).toBe('retry: 5\ndata: one\n\nevent: two\ndata: {"n":2}\n\n')
    expect((await testbed.closeInfo()).reason).toBe('ended')
    await testbed.idle()
  })

  test('gets HEAD without running the producer', async () => {
    const testbed = await Testbed.serving(() => expect.unreachable('the producer'))
    const { statusCode, headers, body } = await testbed.app.inject({ method: 'HEAD', url: '/' })
    expect({ statusCode, body }).toEqual({ statusCode: 200, body: '' })
    expect(headers['content-type']).toBe('text/event-stream')
    await testbed.idle()
  })
})
