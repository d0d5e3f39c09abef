import { Readable } from 'node:stream'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { describe, expect, test } from 'vitest'
import type { EventInput, EventStream, Produced } from '../../src/index.ts'
import { Testbed } from '../support/testbed.ts'
import { until } from '../../src/testing/flags.ts'

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
    const testbed = await Testbed.serving(fn, { executor })
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
    const testbed = await Testbed.serving(
      (opened) => {
        stream = opened
        opened.send('first')
      },
      { executor },
    )
    const client = await testbed.open()
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
    const testbed = await Testbed.serving(
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
    const testbed = await Testbed.serving(
      async (stream) => {
        stream.send('one')
        await new Promise((_, reject) => {
          stream.signal.addEventListener('abort', () => reject(stream.signal.reason as Error))
        }).finally(() => (settled = true))
      },
      { executor },
    )
    ;(await testbed.open()).destroy()
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
    const testbed = await Testbed.serving(make(ran), { executor, highWaterMark: 1_024 })
    ;(await testbed.open()).destroy()
    await until(() => ran.length > 0, 'finally')
    expect((await testbed.closeInfo()).reason).toBe('client')
    await testbed.idle()
    expect(ran).toEqual(['finally'])
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
