import { Readable } from 'node:stream'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { describe, expect, test } from 'vitest'
import {
  producer,
  type EventInput,
  type EventStream,
  type Produced,
  type StreamClosedError,
} from '../../src/index.ts'
import { get, type RawClient } from '../support/raw-client.ts'
import { Testbed } from '../support/testbed.ts'
import { until } from '../../src/testing/flags.ts'

/** A testbed with one route, whose closure this is. */
async function serve(
  fn: (stream: EventStream) => Produced,
  options: Parameters<typeof Testbed.make>[0] = {},
): Promise<Testbed> {
  const testbed = await Testbed.make(options)
  testbed.app.get('/', { sse: true }, async (_, reply) => reply.sse(fn))
  return testbed
}

/** A client whose stream is open and has had its first event. */
async function open(testbed: Testbed): Promise<RawClient> {
  const client = await testbed.connect()
  client.send(get('/'))
  await client.including('data: ')
  return client
}

/** Runs an executor's every test on each that lives on the server's thread. */
const executors = ['inline', 'microtask', 'deferred'] as const

describe.each(executors)('on executor %s', (executor) => {
  const abc = 'data: a\n\nevent: e\ndata: b\n\ndata: 3\n\n'
  const events: EventInput[] = ['a', { event: 'e', data: 'b' }, { data: 3 }]

  test.each<[string, (stream: EventStream) => Produced]>([
    [
      'a function that closes',
      (stream) => {
        for (const event of events) stream.send(event)
        stream.close()
      },
    ],
    [
      'an async function',
      async (stream) => {
        for (const event of events) {
          stream.send(event)
          await nextTurn()
        }
      },
    ],
    ['a generator', () => events.values()],
    [
      'a generator function',
      function* () {
        yield* events
      },
    ],
    [
      'an async generator function',
      async function* () {
        for (const event of events) {
          await nextTurn()
          yield event
        }
      },
    ],
    ['an array', () => events],
    ['a Node Readable of objects', () => Readable.from(events)],
    ['a web ReadableStream of events', () => ReadableStream.from(events) as AsyncIterable<EventInput>],
    [
      'a generator that also sends',
      function* (stream) {
        yield events[0] as EventInput
        stream.send(events[1] as EventInput)
        yield events[2] as EventInput
      },
    ],
  ])('%s sends its events and ends', async (_, fn) => {
    const testbed = await serve(fn, { executor })
    const { body, complete } = await testbed.request('/')
    expect({ body, complete }).toEqual({ body: abc, complete: true })
    expect(await testbed.closeInfo()).toMatchObject({
      reason: 'ended',
      executor,
      events: 3,
      bytes: abc.length,
    })
    await testbed.idle()
    expect(testbed.logged).toEqual([])
  })

  test('a function that returns nothing stays open until close()', async () => {
    let stream: EventStream | undefined
    const testbed = await serve(
      (opened) => {
        stream = opened
        opened.send('first')
      },
      { executor },
    )
    const client = await open(testbed)
    expect(testbed.counted).toBe(2)
    stream?.send('later')
    await client.including('later')
    expect(client.responses[0]?.complete).toBe(false)
    stream?.close()
    await client.response()
    expect((await testbed.closeInfo()).reason).toBe('ended')
    await testbed.idle()
  })

  test('a promise that rejects after close() is logged, and the stream has ended well', async () => {
    const testbed = await serve(
      async (stream) => {
        stream.send('one')
        stream.close()
        await nextTurn()
        throw new Error('too late')
      },
      { executor },
    )
    expect((await testbed.request('/')).body).toBe('data: one\n\n')
    const info = await testbed.closeInfo()
    expect(info.reason).toBe('ended')
    expect(info).not.toHaveProperty('error')
    await until(() => testbed.logged.length > 0, 'the log')
    expect(testbed.logged).toEqual([{ msg: 'event stream failed', error: 'too late' }])
    await testbed.idle()
  })

  test('what fails because it was cancelled is not logged', async () => {
    let settled = false
    const testbed = await serve(
      async (stream) => {
        stream.send('one')
        await new Promise((_, reject) => {
          stream.signal.addEventListener('abort', () => reject(stream.signal.reason as Error))
        }).finally(() => (settled = true))
      },
      { executor },
    )
    ;(await open(testbed)).destroy()
    await until(() => settled, 'the producer')
    await testbed.idle()
    expect(testbed.logged).toEqual([])
  })

  test.each<[string, (ran: string[]) => () => Produced]>([
    [
      'a generator',
      (ran) =>
        function* () {
          try {
            for (;;) yield 'more'
          } finally {
            ran.push('finally')
          }
        },
    ],
    [
      'an async generator',
      (ran) =>
        async function* () {
          try {
            for (;;) {
              await nextTurn()
              yield 'more'
            }
          } finally {
            await nextTurn()
            ran.push('finally')
          }
        },
    ],
  ])('finally of %s runs when the client leaves', async (_, make) => {
    const ran: string[] = []
    const testbed = await serve(make(ran), { executor, highWaterMark: 1_024 })
    ;(await open(testbed)).destroy()
    await until(() => ran.length > 0, 'finally')
    expect((await testbed.closeInfo()).reason).toBe('client')
    await testbed.idle()
    expect(ran).toEqual(['finally'])
  })
})

describe('a stream that a producer returned', () => {
  test('is destroyed when the client leaves, also while it has nothing to say', async () => {
    const readable = new Readable({ objectMode: true, read() {} })
    readable.push('one')
    const testbed = await serve(() => readable)
    ;(await open(testbed)).destroy()
    await until(() => readable.destroyed, 'the Readable to be destroyed')
    await testbed.idle()
    expect(testbed.logged).toEqual([])
  })

  test('is cancelled when the client leaves, also while it has nothing to say (web)', async () => {
    let cancelled = false
    const readable = new ReadableStream<string>({
      start: (controller) => controller.enqueue('one'),
      cancel: () => {
        cancelled = true
      },
    })
    const testbed = await serve(() => readable as AsyncIterable<EventInput>)
    ;(await open(testbed)).destroy()
    await until(() => cancelled, 'the ReadableStream to be cancelled')
    await testbed.idle()
    expect(testbed.logged).toEqual([])
  })

  test('of bytes ends it as error, with a message that says what came', async () => {
    const testbed = await serve(() => Readable.from([Buffer.from('data: x\n\n')], { objectMode: false }))
    expect((await testbed.request('/')).body).toBe('')
    const { reason, error } = await testbed.closeInfo()
    expect(reason).toBe('error')
    expect(error).toMatchObject({ code: 'HF_ERR_EVENT_INVALID' })
    expect((error as Error).message).toMatch('Buffer')
  })

  test('that fails ends it as error', async () => {
    const testbed = await serve(() =>
      Readable.from(
        (async function* () {
          yield 'one'
          await nextTurn()
          throw new Error('upstream')
        })(),
      ),
    )
    expect((await testbed.request('/')).body).toBe('data: one\n\n')
    expect(await testbed.closeInfo()).toMatchObject({ reason: 'error', error: { message: 'upstream' } })
  })
})

describe('what is yielded and is no event', () => {
  test.each<[string, () => Produced]>([
    [
      'a generator',
      function* (): Generator<EventInput> {
        yield 'before'
        try {
          yield { event: 'a\nb' }
        } catch (error) {
          yield (error as { code: string }).code
        }
        yield 'after'
      },
    ],
    [
      'an async generator',
      async function* (): AsyncGenerator<EventInput> {
        yield 'before'
        try {
          yield { event: 'a\nb' }
        } catch (error) {
          yield (error as { code: string }).code
        }
        yield 'after'
      },
    ],
  ])('is thrown into %s at its yield, which may catch it', async (_, fn) => {
    const testbed = await serve(fn)
    expect((await testbed.request('/')).body).toBe(
      'data: before\n\ndata: HF_ERR_EVENT_FIELD\n\ndata: after\n\n',
    )
    expect(await testbed.closeInfo()).toMatchObject({ reason: 'ended', events: 3 })
  })

  test('ends the stream as error where it is not caught; finally runs', async () => {
    let ran = false
    const testbed = await serve(function* () {
      try {
        yield 'before'
        yield 5 as never
        yield 'never'
      } finally {
        ran = true
      }
    })
    expect((await testbed.request('/')).body).toBe('data: before\n\n')
    expect(await testbed.closeInfo()).toMatchObject({
      reason: 'error',
      error: { code: 'HF_ERR_EVENT_INVALID' },
    })
    expect(ran).toBe(true)
    await testbed.idle()
  })

  test('ends an iterator that has no throw() as error, and returns it', async () => {
    let returned = false
    const testbed = await serve(() => ({
      [Symbol.iterator]: () => ({
        next: () => ({ done: false, value: 5 as never }),
        return: () => {
          returned = true
          return { done: true, value: undefined }
        },
      }),
    }))
    await testbed.request('/')
    expect((await testbed.closeInfo()).reason).toBe('error')
    expect(returned).toBe(true)
  })

  test('thrown by send(), it leaves the stream open', async () => {
    const testbed = await serve(async (stream) => {
      for (const wrong of [{ id: 'a\0' }, { data: 1n }, { dta: 'x' }, () => 'x']) {
        try {
          stream.send(wrong as EventInput)
        } catch (error) {
          stream.send((error as { code: string }).code)
        }
      }
      try {
        stream.comment(5 as never)
      } catch (error) {
        stream.comment((error as { code: string }).code)
      }
    })
    expect((await testbed.request('/')).body).toBe(
      'data: HF_ERR_EVENT_FIELD\n\ndata: HF_ERR_EVENT_DATA\n\ndata: HF_ERR_EVENT_INVALID\n\n' +
        'data: HF_ERR_EVENT_INVALID\n\n: HF_ERR_EVENT_FIELD\n',
    )
    expect(await testbed.closeInfo()).toMatchObject({ reason: 'ended', events: 4 })
  })
})

describe('after the end', () => {
  test.each<[string, (testbed: Testbed, stream: EventStream) => Promise<unknown>, string | undefined]>([
    ['its close()', async (_, stream) => stream.close(), undefined],
    [
      'the client has left',
      async (testbed) => {
        ;(testbed as Testbed & { client: RawClient }).client.destroy()
        await testbed.closeInfo()
      },
      'client',
    ],
    ['a shutdown', async (testbed) => testbed.app.close(), 'shutdown'],
  ])('(%s) every method answers false and throws nothing', async (_, end, reason) => {
    let stream!: EventStream
    const testbed = await serve((opened) => {
      stream = opened
      opened.send('one')
    })
    const client = await open(testbed)
    Object.assign(testbed, { client })
    const { signal } = stream
    expect(stream.closed).toBe(false)
    await end(testbed, stream)
    expect(stream.closed).toBe(true)
    expect(stream.send('late')).toBe(false)
    // What is no event is none; but nobody is there to be told.
    expect(stream.send(5 as never)).toBe(false)
    expect(stream.comment('late')).toBe(false)
    expect(await stream.ready()).toBe(false)
    stream.close()
    expect(stream.signal).toBe(signal)
    expect(signal.aborted).toBe(reason !== undefined)
    const abortReason = signal.reason as StreamClosedError | undefined
    expect(
      abortReason && { name: abortReason.name, code: abortReason.code, reason: abortReason.reason },
    ).toEqual(reason && { name: 'AbortError', code: 'HF_ERR_STREAM_CLOSED', reason })
    expect((await testbed.closeInfo()).events).toBe(1)
    expect(testbed.closed).toHaveLength(1)
    await testbed.idle()
  })

  test('a signal that is first asked for then has aborted', async () => {
    let stream!: EventStream
    const testbed = await serve((opened) => {
      stream = opened
      opened.send('one')
    })
    ;(await open(testbed)).destroy()
    await testbed.closeInfo()
    expect(stream.signal.aborted).toBe(true)
    expect((stream.signal.reason as StreamClosedError).reason).toBe('client')
  })
})

const failing = async (stream: EventStream): Promise<void> => {
  stream.send('before')
  await nextTurn()
  throw new Error('the password is hunter2')
}

describe('an error after the head', () => {
  test('tells the client nothing, closes the stream and is logged', async () => {
    const testbed = await serve(failing)
    expect(await testbed.request('/')).toMatchObject({
      status: 200,
      body: 'data: before\n\n',
      complete: true,
    })
    expect(await testbed.closeInfo()).toMatchObject({
      reason: 'error',
      error: { message: 'the password is hunter2' },
    })
    expect(testbed.logged).toEqual([{ msg: 'event stream failed', error: 'the password is hunter2' }])
    await testbed.idle()
  })

  test('may be answered by onError with a last event', async () => {
    const testbed = await serve(failing, {
      onError: (error, stream, request) => {
        stream.send({ event: 'failed', data: { at: request.url, known: error instanceof Error } })
      },
    })
    expect((await testbed.request('/')).body).toBe(
      'data: before\n\nevent: failed\ndata: {"at":"/","known":true}\n\n',
    )
    expect(await testbed.closeInfo()).toMatchObject({ reason: 'error', events: 2 })
  })

  test('is the one that is told when onError throws as well', async () => {
    const testbed = await serve(failing, {
      onError: () => {
        throw new Error('not even that')
      },
    })
    expect((await testbed.request('/')).body).toBe('data: before\n\n')
    expect(await testbed.closeInfo()).toMatchObject({ error: { message: 'the password is hunter2' } })
    expect(testbed.logged.map(({ error }) => error)).toEqual(['the password is hunter2', 'not even that'])
  })

  test('may be anything that is thrown', async () => {
    const thrown: unknown[] = [undefined, null, 'text', 5, { name: 'AbortError' }]
    for (const value of thrown) {
      const told: unknown[] = []
      const testbed = await serve(
        () => {
          throw value
        },
        { onError: (error) => told.push(error) },
      )
      expect(await testbed.request('/')).toMatchObject({ status: 200, body: '', complete: true })
      expect((await testbed.closeInfo()).reason).toBe('error')
      expect(told).toEqual([value])
      await testbed.idle()
    }
  })

  test('onError may close the stream itself', async () => {
    const testbed = await serve(failing, { onError: (_, stream) => stream.close() })
    await testbed.request('/')
    expect((await testbed.closeInfo()).reason).toBe('error')
  })

  test('when the client has left before, is logged and changes nothing', async () => {
    let fail: (() => void) | undefined
    const testbed = await serve(
      async (stream) => {
        stream.send('before')
        await new Promise<void>((resolve) => (fail = resolve))
        throw new Error('for nobody')
      },
      { onError: () => expect.unreachable('onError') },
    )
    ;(await open(testbed)).destroy()
    expect((await testbed.closeInfo()).reason).toBe('client')
    // It still runs, and still counts.
    expect(testbed.counted).toBe(1)
    fail?.()
    await testbed.idle()
    expect(testbed.logged.map(({ error }) => error)).toEqual(['for nobody'])
    expect(testbed.closed).toHaveLength(1)
  })
})

describe('hooks of the route', () => {
  test('onOpen is called when the head has left, before the producer', async () => {
    const order: string[] = []
    const testbed = await serve(
      (stream) => {
        order.push('producer')
        stream.close()
      },
      {
        onOpen: (stream, request) => {
          order.push(`onOpen ${request.url}`)
          stream.send('welcome')
        },
      },
    )
    expect((await testbed.request('/')).body).toBe('data: welcome\n\n')
    expect(order).toEqual(['onOpen /', 'producer'])
  })

  test('onOpen that throws ends the stream as error, and the producer does not run', async () => {
    const testbed = await serve(() => expect.unreachable('the producer'), {
      onOpen: () => {
        throw new Error('not welcome')
      },
      onError: (_, stream) => stream.send('sorry'),
    })
    expect((await testbed.request('/')).body).toBe('data: sorry\n\n')
    const info = await testbed.closeInfo()
    expect(info).toMatchObject({ reason: 'error', error: { message: 'not welcome' } })
    expect(info.timings.startedMs).toBe(undefined)
    await testbed.idle()
  })

  test('onOpen may close the stream, and the producer does not run', async () => {
    const testbed = await serve(() => expect.unreachable('the producer'), {
      onOpen: (stream) => {
        stream.send('closed today')
        stream.close()
      },
    })
    expect((await testbed.request('/')).body).toBe('data: closed today\n\n')
    expect(await testbed.closeInfo()).toMatchObject({ reason: 'ended', events: 1 })
    await testbed.idle()
  })

  test('what onClose throws is logged', async () => {
    const testbed = await Testbed.make()
    const closes: string[] = []
    const onClose = (): void => {
      throw new Error(`in onClose ${closes.push('now')}`)
    }
    testbed.app.get('/', { sse: { onClose } }, async (_, reply) => reply.sse(async () => {}))
    await testbed.request('/')
    await until(() => testbed.logged.length > 0, 'the log')
    expect(testbed.logged[0]?.error).toBe('in onClose 1')
    await testbed.idle()
  })

  test.each(['onOpen', 'onClose', 'onError'] as const)(
    'what an async %s rejects with is logged, and the process lives',
    async (hook) => {
      const testbed = await Testbed.make()
      const rejecting = async (): Promise<void> => {
        await nextTurn()
        throw new Error(`in ${hook}`)
      }
      testbed.app.get('/', { sse: { [hook]: rejecting } }, async (_, reply) =>
        reply.sse(async () => {
          await nextTurn()
          if (hook === 'onError') throw new Error('expected')
        }),
      )
      expect((await testbed.request('/')).complete).toBe(true)
      await until(() => testbed.logged.some(({ error }) => error === `in ${hook}`), 'the log')
      await testbed.idle()
    },
  )

  test('onClose gets the request', async () => {
    const testbed = await Testbed.make()
    const urls: string[] = []
    testbed.app.get('/', { sse: { onClose: (_, request) => urls.push(request.url) } }, async (_, reply) =>
      reply.sse(async () => {}),
    )
    await testbed.request('/?a=1')
    await until(() => urls.length > 0, 'onClose')
    expect(urls).toEqual(['/?a=1'])
  })
})

describe('onClose', () => {
  test.each(executors)('tells timings in order and counts (%s)', async (executor) => {
    const testbed = await serve(
      async (stream) => {
        stream.comment('no event')
        await nextTurn()
        stream.send('é')
        stream.send({ event: 'x', data: '' })
      },
      { executor },
    )
    const { body } = await testbed.request('/')
    const { timings, ...info } = await testbed.closeInfo()
    expect(info).toEqual({ reason: 'ended', executor, events: 2, bytes: Buffer.byteLength(body), dropped: 0 })
    const { admittedMs = NaN, headMs = NaN, startedMs = NaN, firstEventMs = NaN, closedMs } = timings
    const inOrder = [0, admittedMs, headMs, startedMs, firstEventMs, closedMs]
    expect(inOrder).toEqual(inOrder.toSorted((a, b) => a - b))
  })

  test('leaves undefined what it did not come to', async () => {
    const testbed = await serve(async () => {})
    await testbed.request('/')
    const { timings, events, bytes } = await testbed.closeInfo()
    expect({ events, bytes, first: timings.firstEventMs }).toEqual({ events: 0, bytes: 0, first: undefined })
    expect(timings.startedMs).toBeTypeOf('number')
  })

  test('counts retryMs and heartbeats as bytes, not as events', async () => {
    const testbed = await serve((stream) => void stream.signal, { retryMs: 5, heartbeatMs: 20 })
    const client = await testbed.connect()
    client.send(get('/'))
    const { body } = await client.including('retry: 5\n:\n:\n')
    expect(body.startsWith('retry: 5\n')).toBe(true)
    client.destroy()
    const { events, bytes, timings } = await testbed.closeInfo()
    expect({ events, first: timings.firstEventMs }).toEqual({ events: 0, first: undefined })
    expect(bytes).toBeGreaterThanOrEqual('retry: 5\n:\n:\n'.length)
  })
})

describe('what a stream begins with', () => {
  test('retryMs stands before the first event, also before what onOpen sends', async () => {
    const testbed = await serve(async (stream) => void stream.send('one'), {
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
    const testbed = await serve(async (opened) => {
      stream = opened
    })
    await testbed.request('/', sent === undefined ? {} : { 'last-event-id': sent })
    expect(stream.lastEventId).toBe(expected)
  })
})

const withDate = { at: new Date(0), big: 5n }
const serializer = (data: unknown): string =>
  JSON.stringify(data, (_, value: unknown) => (typeof value === 'bigint' ? `${value}n` : value))

describe('the serializer', () => {
  test('of the route turns a closure’s data into text', async () => {
    const testbed = await serve(async (stream) => void stream.send({ data: withDate }), { serializer })
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
    const testbed = await serve(
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
    const testbed = await serve(function* () {
      for (; yielded < count; yielded++) yield { id: yielded, data: 'x'.repeat(size) }
    })
    const client = await testbed.connect()
    client.send(get('/'))
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
    const testbed = await serve(async (stream) => {
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
    const testbed = await serve(
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
    const testbed = await serve(
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
    const testbed = await serve(() => expect.unreachable('the producer'))
    const { statusCode, headers, body } = await testbed.app.inject({ method: 'HEAD', url: '/' })
    expect({ statusCode, body }).toEqual({ statusCode: 200, body: '' })
    expect(headers['content-type']).toBe('text/event-stream')
    await testbed.idle()
  })
})

test('the input of a closure is what the route gave, untouched', async () => {
  const input = { fn: () => 'kept' }
  const testbed = await Testbed.make()
  testbed.app.get('/', { sse: true }, async (_, reply) =>
    reply.sse(async (stream: EventStream, given: typeof input) => {
      stream.send(String(given === input && given.fn()))
    }, input),
  )
  expect((await testbed.request('/')).body).toBe('data: kept\n\n')
})
