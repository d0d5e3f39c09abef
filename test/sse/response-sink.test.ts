import { once } from 'node:events'
import { array, assert, asyncProperty, nat, string } from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { ResponseSink } from '../../src/sse/response-sink.ts'
import { blockUntil, Flag } from '../../src/testing/flags.ts'
import { Observer } from '../../src/testing/observer.ts'
import { listen, served, serveOne, sinkOf } from '../support/served-response.ts'
import { large, bytesOf, fill } from './response-sink-events.ts'
import { turn } from '../support/waiting.ts'

describe('flush "event"', () => {
  test('an event has been handed to the kernel when write() returns', async () => {
    const { response, client } = await serveOne()
    const sink = sinkOf(response)
    for (let number = 0; number < 10; number++) {
      expect(sink.write(`data: ${number}\n\n`, 1)).toBe(true)
      expect(response.writableLength).toBe(0)
      expect(response.socket?.writableLength).toBe(0)
      expect(sink.buffered).toBe(0)
    }
    const { chunks } = await client.including('data: 9\n\n')
    expect(chunks).toEqual(Array.from({ length: 10 }, (_, number) => `data: ${number}\n\n`))
  })

  test('a client sees an event while the thread that wrote it is blocked', async () => {
    const { server, port } = await listen()
    const observer = new Observer(port, '/')
    const response = await served(server)
    const sink = sinkOf(response, { onEnd: () => response.end() })
    const seen = []
    for (let number = 1; number <= 3; number++) {
      sink.write(`data: ${number}\n\n`, 1)
      // From here until the client has it, nothing else moves on this thread.
      seen.push(blockUntil(observer.flags, Flag.EVENTS, number))
    }
    sink.end()
    expect(seen).toEqual([true, true, true])
    expect(await observer.over()).toMatchObject({
      body: 'data: 1\n\ndata: 2\n\ndata: 3\n\n',
      complete: true,
    })
  })

  test('bytes are written as they are', async () => {
    const { response, client } = await serveOne()
    const sink = sinkOf(response)
    sink.write(Buffer.from('data: é\n\n'), 1)
    expect(response.writableLength).toBe(0)
    expect((await client.including('\n\n')).body).toBe('data: é\n\n')
    expect(sink.bytes).toBe(10)
  })
})

describe('flush "tick"', () => {
  test('what a turn of the loop writes leaves in one write at its end', async () => {
    const { response, client } = await serveOne()
    const sink = sinkOf(response, { flush: 'tick' })
    sink.write('data: 1\n\n', 1)
    sink.write('data: 2\n\n', 1)
    await Promise.resolve()
    sink.write('data: 3\n\n', 1)
    expect(sink.buffered).toBe(27)
    await turn()
    expect(sink.buffered).toBe(0)
    expect(response.writableLength).toBe(0)
    sink.write('data: 4\n\n', 1)
    const { chunks } = await client.including('data: 4')
    expect(chunks).toEqual(['data: 1\n\ndata: 2\n\ndata: 3\n\n', 'data: 4\n\n'])
  })

  test('text and bytes of one turn arrive in order', async () => {
    const { response, client } = await serveOne()
    const sink = sinkOf(response, { flush: 'tick' })
    sink.write('data: é1\n\n', 1)
    sink.write(bytesOf('data: é2\n\n'), 1)
    sink.write('data: é3\n\n', 1)
    const { body } = await client.including('é3\n\n')
    expect(body).toBe('data: é1\n\ndata: é2\n\ndata: é3\n\n')
  })

  test('limits count bytes, whatever the text: at each write of a turn, and in between', async () => {
    const { response, client } = await serveOne()
    await assert(
      asyncProperty(
        array(string({ unit: 'binary', maxLength: 40 }), { maxLength: 40 }),
        nat(500),
        async (texts, highWaterMark) => {
          const sink = sinkOf(response, { flush: 'tick', highWaterMark })
          let bytes = 0
          const counted = [0]
          for (const [number, text] of texts.entries()) {
            const event = `data: ${text}\n\n`
            bytes += Buffer.byteLength(event)
            expect(sink.write(event, 1)).toBe(bytes <= highWaterMark)
            // Not each time: what is looked at has been counted.
            if (number % 7 === 0) counted.push(sink.buffered - bytes, sink.bytes - bytes)
          }
          expect(new Set(counted)).toEqual(new Set([0]))
          expect(sink.bytes).toBe(bytes)
          await turn()
          expect(sink.buffered).toBe(0)
        },
      ),
      { numRuns: 200 },
    )
    client.destroy()
  })

  test('a large turn does not wait for its end', async () => {
    const { response, client } = await serveOne()
    const sink = sinkOf(response, { flush: 'tick', highWaterMark: 1_000_000 })
    sink.write(large(0), 1)
    expect(sink.buffered).toBe(0)
    expect((await client.including('\n\n')).chunks).toEqual([large(0)])
  })

  test('end() does not wait for the end of the turn', async () => {
    const { response, client } = await serveOne()
    const sink = sinkOf(response, { flush: 'tick', onEnd: () => response.end() })
    sink.write('data: 1\n\n', 1)
    sink.write('data: 2\n\n', 1)
    sink.end()
    expect((await client.response()).chunks).toEqual(['data: 1\n\ndata: 2\n\n'])
  })

  test('ready() resolves at the end of the turn when only that held events back', async () => {
    const { response } = await serveOne()
    const sink = sinkOf(response, { flush: 'tick', highWaterMark: 5 })
    expect(sink.write('data: 1\n\n', 1)).toBe(false)
    expect(await sink.ready()).toBe(true)
  })
})

describe.each(['event', 'tick'] as const)('backpressure with flush "%s"', (flush) => {
  test('a client that does not read is waited for; order and bytes stay intact', async () => {
    const { response, client } = await serveOne()
    client.socket.pause()
    const sink = sinkOf(response, { flush, onEnd: () => response.end() })
    let { count, text } = fill(sink)
    expect(sink.buffered).toBeGreaterThan(65_536)
    // What comes while the client is behind waits in order, whatever its size.
    for (const event of ['data: small\n\n', large(count++), 'data: last\n\n']) {
      text += event
      expect(sink.write(event, 1)).toBe(false)
    }

    let settled: boolean | undefined
    const ready = sink.ready().then((answer) => (settled = answer))
    const readyAsWell = sink.ready()
    await turn()
    await turn()
    expect(settled).toBe(undefined)

    client.socket.resume()
    expect(await ready).toBe(true)
    expect(await readyAsWell).toBe(true)
    expect(sink.buffered).toBeLessThanOrEqual(65_536)
    expect(await sink.ready()).toBe(true)
    text += 'data: after\n\n'
    sink.write('data: after\n\n', 1)
    sink.end()
    const { body } = await client.response()
    expect(body.length).toBe(text.length)
    expect(body === text).toBe(true)
    expect(sink.events).toBe(count + 3)
    expect(sink.bytes).toBe(Buffer.byteLength(text))
  })

  test('end() while the client is behind delivers everything first', async () => {
    const { response, client } = await serveOne()
    client.socket.pause()
    const sink = sinkOf(response, { flush, onEnd: () => response.end() })
    let { text } = fill(sink)
    for (const event of ['data: a\n\n', 'data: b\n\n']) {
      text += event
      sink.write(event, 1)
    }
    const ready = sink.ready()
    sink.end()
    expect(sink.closed).toBe(true)
    expect(await ready).toBe(false)
    client.socket.resume()
    const { body } = await client.response()
    expect(body === text).toBe(true)
  })

  test('over maxBuffered the stream overflows', async () => {
    const { response, client } = await serveOne()
    client.socket.pause()
    let overflows = 0
    const sink: ResponseSink = sinkOf(response, {
      flush,
      maxBuffered: 300_000,
      onOverflow: () => {
        overflows++
        expect(sink.buffered).toBeGreaterThan(300_000)
        sink.destroy()
      },
    })
    while (sink.write(large(0), 1) || !sink.closed);
    expect(overflows).toBe(1)
    // Bounded: what was taken over the limit is the last event.
    expect(sink.buffered).toBeLessThanOrEqual(300_000 + large(0).length * 2)
  })

  test('ready() answers false when the client leaves while it is behind', async () => {
    const { response, client } = await serveOne()
    client.socket.pause()
    const sink = sinkOf(response, { flush })
    fill(sink)
    const ready = sink.ready()
    client.destroy()
    await once(response, 'close')
    sink.destroy()
    expect(await ready).toBe(false)
    expect(sink.write('data: late\n\n', 1)).toBe(false)
  })
})

describe('at the limits', () => {
  test('what is exactly at one is not over it', async () => {
    const { response } = await serveOne()
    const sink = sinkOf(response, { flush: 'tick', highWaterMark: 9, maxBuffered: 18 })
    expect(sink.write('data: 1\n\n', 1)).toBe(true)
    let isReady: boolean | undefined
    void sink.ready().then((answer) => (isReady = answer))
    await Promise.resolve()
    await Promise.resolve()
    expect(isReady).toBe(true)
    // Were it too much, sinkOf() would say so.
    expect(sink.write('data: 2\n\n', 1)).toBe(false)
    expect(sink.buffered).toBe(18)
  })

  test('nothing may wait where the high-water mark is 0', async () => {
    const { response, client } = await serveOne()
    client.socket.pause()
    const sink = sinkOf(response, { highWaterMark: 0 })
    expect(sink.write('data: 1\n\n', 1)).toBe(true)
    fill(sink)
    const ready = sink.ready()
    client.socket.resume()
    expect(await ready).toBe(true)
    expect(sink.buffered).toBe(0)
  })

  test('what only waits for the end of the turn leaves before it is too much', async () => {
    const { response, client } = await serveOne()
    const sink = sinkOf(response, { flush: 'tick', highWaterMark: 9, maxBuffered: 18 })
    for (let number = 1; number <= 3; number++) sink.write(`data: ${number}\n\n`, 1)
    expect(sink.buffered).toBe(0)
    expect((await client.including('3\n\n')).chunks).toEqual(['data: 1\n\ndata: 2\n\ndata: 3\n\n'])
  })
})

describe('endTurn()', () => {
  test('what waits for the end of the turn leaves at once, and what comes later at its own', async () => {
    const { response, client } = await serveOne()
    const sink = sinkOf(response, { flush: 'tick' })
    sink.endTurn()
    sink.write('data: 1\n\n', 1)
    sink.endTurn()
    expect(sink.buffered).toBe(0)
    sink.write('data: 2\n\n', 1)
    sink.write('data: 3\n\n', 1)
    expect(sink.buffered).toBe(18)
    await turn()
    expect(sink.buffered).toBe(0)
    expect((await client.including('3\n\n')).chunks).toEqual(['data: 1\n\n', 'data: 2\n\ndata: 3\n\n'])
  })
})

describe('beat()', () => {
  test('is a comment, and is not sent to a client that is behind or to nobody', async () => {
    const { response, client } = await serveOne()
    let behind = 0
    const sink = sinkOf(response, { flush: 'tick', onBehind: () => behind++ })
    expect(sink.touched).toBe(false)
    sink.lookBehind()
    expect(behind).toBe(0)
    expect(sink.beat()).toBe(true)
    // Itself it waits for the turn's end, as all does.
    expect(sink.beat()).toBe(false)
    sink.lookBehind()
    expect(behind).toBe(1)
    await turn()
    sink.touched = false
    sink.write('data: 1\n\n', 1)
    expect(sink.touched).toBe(true)
    expect(sink.beat()).toBe(false)
    await turn()
    expect(sink.beat()).toBe(true)
    expect((await client.including('data: 1\n\n:\n')).body).toBe(':\ndata: 1\n\n:\n')
    expect(sink.events).toBe(1)
    sink.destroy()
    expect(sink.beat()).toBe(false)
    sink.lookBehind()
    expect(behind).toBe(2)
  })
})
