import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import type { ServerResponse } from 'node:http'
import { describe, expect, test } from 'vitest'
import { Compressor, type ContentCoding } from '../../src/sse/compression.ts'
import { listen, serveOne, sinkOf } from '../support/served-response.ts'
import { large, small, bytesOf, fill } from './response-sink-events.ts'
import { turn } from '../support/waiting.ts'

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

test('what waits when the sink ends leaves as one chunk', async () => {
  const { response, client } = await serveOne()
  client.socket.pause()
  const sink = sinkOf(response, { onEnd: () => response.end() })
  fill(sink)
  const waiting = Array.from({ length: 200 }, (_, number) => small(number))
  for (const event of waiting) sink.write(event, 1)
  sink.end()
  client.socket.resume()
  const { chunks } = await client.response()
  expect(chunks.at(-1)?.endsWith(waiting.join(''))).toBe(true)
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
    while (sink.buffered > 0) await turn()
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

describe.each(['gzip', 'br'] as const)('a body in %s', (coding) => {
  test.each(['event', 'tick'] as const)('compressed here, with flush "%s"', async (flush) => {
    const { response, body } = await serveCoded(coding)
    const sink = sinkOf(response, { flush, onEnd: () => response.end() })
    sink.compress(coding)
    const texts = ['retry: 5\n', 'data: é1\n\n', 'data: é2\n\n', 'data: é3\n\n']
    for (const [number, text] of texts.entries()) sink.write(number === 2 ? Buffer.from(text) : text, 1)
    await turn()
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
    while (sink.buffered > 0) await turn()
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
    await turn()
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
