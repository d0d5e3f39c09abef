import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import type { ServerResponse } from 'node:http'
import { array, assert, asyncProperty, nat, string } from 'fast-check'
import { describe, expect, test } from 'vitest'
import { Compressor, type ContentCoding } from '../../src/sse/compression.ts'
import {
  ResponseSink,
  type ResponseSinkSettings,
  type WritableResponse,
} from '../../src/sse/response-sink.ts'
import { blockUntil, Flag } from '../../src/testing/flags.ts'
import { Observer } from '../../src/testing/observer.ts'
import { listen, served, serveOne } from '../support/served-response.ts'

function sinkOf(response: WritableResponse, settings: Partial<ResponseSinkSettings> = {}): ResponseSink {
  return new ResponseSink(response, {
    flush: 'event',
    highWaterMark: 65_536,
    maxBuffered: Number.MAX_SAFE_INTEGER,
    onOverflow: () => expect.unreachable('overflow'),
    onEnd: () => {},
    ...settings,
  })
}

/** Resolves in a later turn of the event loop, when callbacks of this one have run. */
const nextTurn = async (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

/** One event of 64 KiB that says its number. */
const large = (number: number): string => `id: ${number}\ndata: ${'é'.repeat(32_768)}\n\n`

/** One event of 1 KiB. */
const small = (number: number): string => `data: ${String(number).padEnd(1_016)}\n\n`

/** No `Buffer`: that would turn into its text by itself. */
const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text)

/** Writes to a client that does not read until the kernel takes no more. */
function fill(sink: ResponseSink): { count: number; text: string } {
  let text = ''
  for (let count = 0; ; count++) {
    const event = large(count)
    text += event
    if (!sink.write(event, 1)) return { count: count + 1, text }
  }
}

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
    await nextTurn()
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
          await nextTurn()
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
    await nextTurn()
    await nextTurn()
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
    await nextTurn()
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
    await nextTurn()
    sink.touched = false
    sink.write('data: 1\n\n', 1)
    expect(sink.touched).toBe(true)
    expect(sink.beat()).toBe(false)
    await nextTurn()
    expect(sink.beat()).toBe(true)
    expect((await client.including('data: 1\n\n:\n')).body).toBe(':\ndata: 1\n\n:\n')
    expect(sink.events).toBe(1)
    sink.destroy()
    expect(sink.beat()).toBe(false)
    sink.lookBehind()
    expect(behind).toBe(2)
  })
})

describe('where events may be dropped', () => {
  test('little is handed over at a time, and the newest arrive of what waits', async () => {
    const { response, client } = await serveOne()
    client.socket.pause()
    const maxBuffered = 100_000
    const settings = { maxBuffered, drop: 'drop-oldest', onEnd: () => response.end() } as const
    const sink = sinkOf(response, settings)
    let sent = 0
    const send = (): void => {
      sink.write(small(sent++), 1)
      expect(sink.buffered).toBeLessThanOrEqual(maxBuffered)
    }
    while (sink.dropped < 1_000) send()
    // Some is taken, so that more is handed over, again and again.
    client.socket.on('data', send)
    client.socket.resume()
    while (sink.buffered > 0) await nextTurn()
    client.socket.off('data', send)
    sink.end()
    const { chunks } = await client.response()
    // Half of the bound, with what is over it of one event.
    const most = Math.max(...chunks.map(({ length }) => length))
    expect(most).toBeGreaterThan(maxBuffered / 4)
    expect(most).toBeLessThan(maxBuffered / 2 + 2_000)
    expect(sink.events).toBe(sent)
  })

  test('they are counted, and the others arrive in order', async () => {
    const { response, client } = await serveOne()
    client.socket.pause()
    const sink = sinkOf(response, {
      maxBuffered: 300_000,
      drop: 'drop-oldest',
      onEnd: () => response.end(),
    })
    for (let number = 0; sink.dropped < 5; number++) sink.write(large(number), 1)
    // No more of them than have to be.
    expect(sink.buffered).toBeGreaterThan(300_000 - large(0).length * 2)
    sink.end()
    client.socket.resume()
    const { body } = await client.response()
    const numbers = [...body.matchAll(/^id: (\d+)$/gm)].map(([, number]) => Number(number))
    expect(numbers).toEqual(numbers.toSorted((one, other) => one - other))
    expect(numbers.at(-1)).toBe(sink.events - 1)
    expect(numbers).toHaveLength(sink.events - sink.dropped)
  })
})

/** A response that says how it is compressed, and what a client decodes of it. */
async function serveCoded(
  coding: ContentCoding,
): Promise<{ response: ServerResponse; body: Promise<string> }> {
  const { server, port } = await listen()
  const fetched = fetch(`http://127.0.0.1:${port}/`)
  const [, response] = (await once(server, 'request')) as [unknown, ServerResponse]
  response.setHeader('content-encoding', coding)
  response.flushHeaders()
  const body = fetched.then(async (received) => received.text())
  return { response, body }
}

describe.each(['gzip', 'br'] as const)('a body in %s', (coding) => {
  test.each(['event', 'tick'] as const)('compressed here, with flush "%s"', async (flush) => {
    const { response, body } = await serveCoded(coding)
    const sink = sinkOf(response, { flush, onEnd: () => response.end() })
    sink.compress(coding)
    const texts = ['retry: 5\n', 'data: é1\n\n', 'data: é2\n\n', 'data: é3\n\n']
    for (const [number, text] of texts.entries()) sink.write(number === 2 ? Buffer.from(text) : text, 1)
    await nextTurn()
    const before = response.socket?.bytesWritten ?? 0
    sink.touched = false
    expect(sink.beat()).toBe(true)
    expect(sink.touched).toBe(true)
    // It is there, and decodes to nothing.
    expect(response.socket?.bytesWritten).toBeGreaterThan(before)
    for (const text of texts) sink.write(text, 1)
    sink.end()
    expect(await body).toBe(texts.join('') + texts.join(''))
    expect({ events: sink.events, bytes: sink.bytes }).toEqual({
      events: 8,
      bytes: Buffer.byteLength(texts.join('')) * 2,
    })
  })

  test('compressed here, for a client that is behind', async () => {
    const { response, body } = await serveCoded(coding)
    const sink = sinkOf(response, { onEnd: () => response.end() })
    sink.compress(coding)
    let text = ''
    const write = (event: string, asBytes: boolean): void => {
      text += event
      sink.write(asBytes ? bytesOf(event) : event, 1)
    }
    // Text waits, and is joined; then bytes with it.
    while (sink.buffered === 0) write(`data: ${randomBytes(48_000).toString('base64')}\n\n`, false)
    for (let number = 0; number < 10; number++) write(`data: é${number}\n\n`, false)
    while (sink.buffered > 0) await nextTurn()
    while (sink.buffered === 0) write(`data: ${randomBytes(48_000).toString('base64')}\n\n`, true)
    for (let number = 0; number < 10; number++) write(`data: é${number}\n\n`, number % 2 === 0)
    sink.end()
    expect((await body) === text).toBe(true)
  })

  test('compressed elsewhere: what is said here stands at its end', async () => {
    const { response, body } = await serveCoded(coding)
    const sink = sinkOf(response, { flush: 'tick', onEnd: () => response.end() })
    const elsewhere = new Compressor(coding)
    const come = (text: string): void => {
      const blocks = elsewhere.compress(Buffer.from(text))
      expect(sink.writeCoded(blocks, 1, { ...elsewhere.checksum })).toBe(true)
    }
    sink.expectCoded(coding, 'retry: 5\n')
    expect(sink.beat()).toBe(true)
    come('retry: 5\ndata: é1\n\n')
    expect(sink.write('data: here\n\n', 1)).toBe(true)
    expect(sink.write(bytesOf('data: hé\n\n'), 1)).toBe(true)
    come('data: é2\n\n')
    come('data: é3\n\n')
    expect(sink.buffered).toBeGreaterThan(0)
    sink.end()
    expect(sink.writeCoded(Buffer.from('late'), 1, elsewhere.checksum)).toBe(false)
    const expected = 'retry: 5\ndata: é1\n\ndata: é2\n\ndata: é3\n\ndata: here\n\ndata: hé\n\n'
    expect(await body).toBe(expected)
    expect({ events: sink.events, bytes: sink.bytes }).toEqual({
      events: 5,
      bytes: Buffer.byteLength(expected),
    })
    elsewhere.close()
  })

  test('compressed elsewhere, from where nothing comes: its first words are said here', async () => {
    const { response, body } = await serveCoded(coding)
    const sink = sinkOf(response, { onEnd: () => response.end() })
    sink.expectCoded(coding, 'retry: 5\n')
    sink.write('event: error\ndata: lost\n\n', 1)
    sink.end()
    const expected = 'retry: 5\nevent: error\ndata: lost\n\n'
    expect(await body).toBe(expected)
    expect(sink.bytes).toBe(expected.length)
  })
})

test('text and bytes that waited for a client arrive in order', async () => {
  const { response, client } = await serveOne()
  client.socket.pause()
  const sink = sinkOf(response, { onEnd: () => response.end() })
  let { text } = fill(sink)
  for (let number = 0; number < 6; number++) {
    const event = `data: é${number}\n\n`
    text += event
    sink.write(number % 2 === 0 ? event : bytesOf(event), 1)
  }
  sink.end()
  client.socket.resume()
  expect((await client.response()).body === text).toBe(true)
})

describe('the end', () => {
  test('after it nothing is taken, and onEnd was called once', async () => {
    const { response, client } = await serveOne()
    let ends = 0
    const onEnd = (): void => {
      ends++
      response.end()
    }
    const sink = sinkOf(response, { onEnd })
    sink.write('data: 1\n\n', 1)
    sink.end()
    sink.end()
    expect(sink.closed).toBe(true)
    expect(sink.write('data: 2\n\n', 1)).toBe(false)
    expect(await sink.ready()).toBe(false)
    expect(ends).toBe(1)
    expect({ events: sink.events, bytes: sink.bytes }).toEqual({ events: 1, bytes: 9 })
    expect((await client.response()).body).toBe('data: 1\n\n')
  })

  test('destroy() drops what waits and does not end the response', async () => {
    const { response } = await serveOne()
    const sink = sinkOf(response, { flush: 'tick', onEnd: () => expect.unreachable('end') })
    sink.write('data: 1\n\n', 1)
    sink.destroy()
    sink.end()
    await nextTurn()
    expect(sink.buffered).toBe(0)
    expect(response.writableEnded).toBe(false)
    expect(await sink.ready()).toBe(false)
  })

  test('comments count as bytes, not as events, and only the first event is timed', async () => {
    const { response } = await serveOne()
    const sink = sinkOf(response)
    sink.write(':\n', 0)
    expect(sink.firstEventAt).toBe(undefined)
    sink.write('data: 1\n\n', 1)
    const first = sink.firstEventAt
    expect(first).toBeTypeOf('number')
    sink.write('data: 2\n\ndata: 3\n\n', 2)
    expect(sink.firstEventAt).toBe(first)
    expect({ events: sink.events, bytes: sink.bytes }).toEqual({ events: 3, bytes: 29 })
  })
})
