import { describe, expect, onTestFinished, test } from 'vitest'
import { workers, type Producer } from '../../src/index.ts'
import { CONTENT_CODINGS, type ContentCoding } from '../../src/sse/compression.ts'
import { encodeComment, encodeEvent } from '../../src/sse/event.ts'
import { Flag, makeFlags, untilRaised, until } from '../../src/testing/flags.ts'
import { Observer } from '../../src/testing/observer.ts'
import { blocking, varied, variedEvent } from '../../src/testing/producers.ts'
import { DecodingClient } from '../support/decoding-client.ts'
import { Testbed } from '../support/testbed.ts'
import * as pressed from './compression-producers.ts'
import * as endless from '../support/producers/endless.ts'
import * as failing from '../support/producers/failing.ts'
import * as dying from '../support/producers/dying.ts'
import * as flooding from '../support/producers/flooding.ts'
import { EXECUTORS } from '../support/executors.ts'
import { serve } from './compression-server.ts'

const numbers = (count: number): string =>
  Array.from({ length: count }, (_, number) => `data: ${number}\n\n`).join('')

describe.each(EXECUTORS)('%s', (executor) => {
  describe.each(CONTENT_CODINGS)('%s', (coding) => {
    const accept = coding

    test.each(['event', 'tick'] as const)(
      'each event can be decoded before the next is sent (flush "%s")',
      async (flush) => {
        const flags = makeFlags()
        const count = 30
        const testbed = await serve(pressed.acknowledged, { flags, count }, { executor, flush, retryMs: 5 })
        const client = await DecodingClient.open(testbed, '/', { accept, flags })
        const body = await client.over()
        expect(client.coding).toBe(coding)
        expect(client.head.headers.vary).toContain('Accept-Encoding')
        const events = Array.from({ length: count }, (_, number) =>
          encodeEvent({ id: number, data: { number, text: 'größer 中 😀' } }),
        )
        expect(body).toBe(`retry: 5\n${events.join('')}`)
        expect(client.complete).toBe(true)
        expect(await testbed.closeInfo()).toMatchObject({
          reason: 'ended',
          events: count,
          bytes: Buffer.byteLength(body),
        })
      },
    )

    test('each event can be decoded while the producer blocks its thread', async () => {
      const flags = makeFlags()
      const testbed = await serve(blocking, { flags }, { executor })
      const port = await testbed.listen()
      const observer = new Observer(port, '/', { flags, headers: { 'accept-encoding': accept } })
      onTestFinished(async () => observer.dismiss())
      const { body, headers, complete } = await observer.over()
      expect(body).toBe('data: head seen\n\ndata: first seen\n\ndata: second seen\n\n')
      expect(headers['content-encoding']).toBe(coding)
      expect(complete).toBe(true)
    })

    test('events of all kinds decode to what they are without compression', async () => {
      const count = 300
      const testbed = await serve(varied, { count }, { executor })
      let expected = ''
      for (let n = 0; n < count; n++) {
        expected += encodeEvent(variedEvent(n))
        if (n % 50 === 0) expected += encodeComment(`after ${n}`)
      }
      const client = await DecodingClient.open(testbed, '/', { accept })
      expect((await client.over()) === expected).toBe(true)
      const bytes = Buffer.byteLength(expected)
      expect(await testbed.closeInfo()).toMatchObject({ reason: 'ended', events: count, bytes, dropped: 0 })
      expect(client.bytes).toBeLessThan(bytes)
      const plain = await DecodingClient.open(testbed, '/')
      expect((await plain.over()) === expected).toBe(true)
      expect(plain.coding).toBe(undefined)
      expect(await testbed.closeInfo(1)).toMatchObject({ reason: 'ended', events: count, bytes })
    })

    test('a silent stream is kept alive by bytes that decode to nothing', async () => {
      const flags = makeFlags()
      const testbed = await serve(pressed.silent, { flags }, { executor, heartbeatMs: 2 })
      const client = await DecodingClient.open(testbed, '/', { accept })
      await untilRaised(flags, Flag.STARTED)
      await until(() => client.bytes > 30, 'bytes of heartbeats')
      expect(client.text).toBe('')
      Atomics.store(flags, Flag.GO, 1)
      expect(await client.over()).toBe('data: at last\n\n')
      expect(client.complete).toBe(true)
      expect(await testbed.closeInfo()).toMatchObject({ events: 1, bytes: 15 })
    })

    test('what onError sends is the last that is decoded', async () => {
      for (const [producer, before] of [
        [failing.throws as Producer<unknown>, numbers(3)],
        [pressed.failingAtOnce as Producer<unknown>, ''],
      ] as const) {
        const testbed = await serve(
          producer,
          { events: 3 },
          { executor, retryMs: 7, onError: (_, stream) => stream.send({ event: 'failure', data: 'größer' }) },
        )
        const client = await DecodingClient.open(testbed, '/', { accept })
        expect(await client.over()).toBe(`retry: 7\n${before}event: failure\ndata: größer\n\n`)
        expect(client.complete).toBe(true)
        expect(await testbed.closeInfo()).toMatchObject({
          reason: 'error',
          bytes: Buffer.byteLength(client.text),
        })
      }
    })

    test('the farewell of a shutdown can be decoded', async () => {
      const testbed = await serve(endless.staysWith, ['0', '1', '2', '3', '4'], { executor })
      const client = await DecodingClient.open(testbed, '/', { accept })
      await client.got('data: 4\n\n')
      await testbed.app.close()
      expect(await client.over()).toMatch(/^(data: \d\n\n){5}: .+\nretry: \d+\n$/)
      expect(client.complete).toBe(true)
      const info = await testbed.closeInfo()
      expect(info).toMatchObject({ reason: 'shutdown', bytes: Buffer.byteLength(client.text), events: 5 })
    })

    test('events of any size arrive, also one that is larger than what carries it', async () => {
      const sizes = [1, 70_000, 1_500_000, 10, 300_000]
      const testbed = await serve(flooding.large, { sizes }, { executor, maxBuffered: 2 ** 26 })
      const client = await DecodingClient.open(testbed, '/', { accept })
      const expected = sizes.map((size, index) => `data: ${flooding.noise(size, index)}\n\n`).join('')
      expect((await client.over()) === expected).toBe(true)
      expect(client.complete).toBe(true)
      const bytes = expected.length
      expect(await testbed.closeInfo()).toMatchObject({ reason: 'ended', events: sizes.length, bytes })
    })

    test('what onOpen sends comes first', async () => {
      const testbed = await serve(
        varied,
        { count: 50 },
        { executor, retryMs: 3, onOpen: (stream) => void stream.send('hello') },
      )
      const client = await DecodingClient.open(testbed, '/', { accept })
      const body = await client.over()
      expect(body.startsWith('retry: 3\ndata: hello\n\ndata: 0 ')).toBe(true)
      expect(client.complete).toBe(true)
      expect(await testbed.closeInfo()).toMatchObject({ events: 51, bytes: Buffer.byteLength(body) })
    })

    test('with overflow "latest" a slow client decodes the newest of each name in the end', async () => {
      const flags = makeFlags()
      const [names, count] = [3, 300]
      const testbed = await serve(
        flooding.flooding,
        { flags, names, count, size: 65_536 },
        { executor, maxBuffered: 300_000, overflow: { latest: 'event' } },
      )
      const client = await DecodingClient.open(testbed, '/', { accept, paused: true })
      await untilRaised(flags, Flag.SEEN)
      Atomics.store(flags, Flag.GO, 1)
      client.read()
      await client.over()
      expect(client.complete).toBe(true)
      expect(client.coding).toBe(coding)
      const info = await testbed.closeInfo()
      expect(info.dropped).toBeGreaterThan(0)
      expect(client.events.length).toBe(info.events - info.dropped)
      for (const number of [count - 3, count - 2, count - 1])
        expect(client.text.includes(`data: ${number} `)).toBe(true)
      expect(client.text.endsWith('data: last\n\n')).toBe(true)
    })
  })

  test('the client that leaves in the middle is seen, and nothing stays counted', async () => {
    const testbed = await serve(endless.staysWith, ['0', '1', '2', '3', '4'], { executor })
    const client = await DecodingClient.open(testbed, '/', { accept: 'gzip' })
    await client.got('data: 4\n\n')
    client.leave()
    expect(await testbed.closeInfo()).toMatchObject({ reason: 'client', events: 5 })
    await testbed.idle()
  })
})

describe.each(CONTENT_CODINGS)('on workers, %s', (accept: ContentCoding) => {
  test('a stream that waits for a thread is kept alive, and then decodes', async () => {
    const [first, second] = [makeFlags(), makeFlags()]
    const testbed = await Testbed.make({
      compress: true,
      executor: 'workers',
      heartbeatMs: 2,
      retryMs: 9,
      executors: { workers: workers({ threads: 1, streamsPerThread: 1, niceIncrement: 0 }) },
    })
    testbed.app.get('/first', { sse: true }, async (_, reply) => reply.sse(pressed.silent, { flags: first }))
    testbed.app.get('/second', { sse: true }, async (_, reply) =>
      reply.sse(pressed.silent, { flags: second }),
    )
    await DecodingClient.open(testbed, '/first', { accept })
    await untilRaised(first, Flag.STARTED)
    const waiting = await DecodingClient.open(testbed, '/second', { accept })
    await until(() => waiting.bytes > 30, 'bytes of heartbeats')
    expect(Atomics.load(second, Flag.STARTED)).toBe(0)
    expect(waiting.text).toBe('')
    Atomics.store(first, Flag.GO, 1)
    Atomics.store(second, Flag.GO, 1)
    expect(await waiting.over()).toBe('retry: 9\ndata: at last\n\n')
    expect(waiting.complete).toBe(true)
  })

  test('a stream that never gets a thread says its retry all the same', async () => {
    const flags = makeFlags()
    const testbed = await serve(
      pressed.silent,
      { flags },
      { executor: 'workers', retryMs: 9 },
      { streamsPerThread: 1, maxQueueWaitMs: 1 },
    )
    // It has the only place.
    await DecodingClient.open(testbed, '/', { accept })
    const client = await DecodingClient.open(testbed, '/', { accept })
    expect(await client.over()).toBe('retry: 9\n')
    expect(client.complete).toBe(true)
    expect(await testbed.closeInfo()).toMatchObject({ reason: 'timeout', events: 0, bytes: 9 })
  })

  test('what was sent before the thread died decodes, and the body ends well', async () => {
    const testbed = await serve(dying.exits, { events: 2_000 }, { executor: 'workers', maxBuffered: 2 ** 26 })
    const client = await DecodingClient.open(testbed, '/', { accept })
    expect((await client.over()) === numbers(2_000)).toBe(true)
    expect(client.complete).toBe(true)
    const bytes = numbers(2_000).length
    expect(await testbed.closeInfo()).toMatchObject({ reason: 'lost', events: 2_000, bytes })
  })
})
