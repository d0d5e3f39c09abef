/** One file: every way in which a stream can go is played by one kind of server, and read by one function. */
import { createServer as createHttpServer, type Server as HttpServer } from 'node:http'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createServer as createTlsServer } from 'node:tls'
import { createServer, type AddressInfo } from 'node:net'
import { fileURLToPath } from 'node:url'
import { gzipSync } from 'node:zlib'
import { describe, expect, onTestFinished, test } from 'vitest'
import { answering, BRIEFLY, chunk, END, HEAD, listening, measure, run } from './profiling.ts'

const EVENTS = HEAD + chunk('data: a\n\n') + chunk('data: b\n\ndata: c\n\n') + END
const QUICK = ['--timeout', '150ms']

function gzippedHead(length: number): string {
  return `HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncontent-encoding: gzip\r\ncontent-length: ${length}\r\n\r\n`
}

describe('what becomes of a stream', () => {
  const gzipped = gzipSync('data: a\n\n')
  const broken: [what: string, outcome: string, bytes: string | Buffer, then: 'stay' | 'end' | 'reset'][] = [
    ['accepts and never answers', 'timeout', '', 'stay'],
    ['resets before the first byte', 'reset', '', 'reset'],
    ['closes before the first byte', 'truncated', '', 'end'],
    ['sends half a head, and waits', 'timeout', 'HTTP/1.1 200 OK\r\ncontent-ty', 'stay'],
    ['sends half a head, and closes', 'truncated', 'HTTP/1.1 200 OK\r\ncontent-ty', 'end'],
    ['sends garbage', 'malformed', Buffer.from([0, 255, 1, 254]), 'stay'],
    ['sends garbage in the place of a chunk', 'malformed', `${HEAD}what?\r\n`, 'stay'],
    ['sends a body in gzip', 'content-encoding', gzippedHead(gzipped.length), 'stay'],
    ['sends an error', 'status', 'HTTP/1.1 503 Busy\r\ncontent-length: 0\r\n\r\n', 'stay'],
    [
      'sends a page',
      'not-event-stream',
      'HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: 0\r\n\r\n',
      'stay',
    ],
    ['closes within the body', 'truncated', HEAD + chunk('data: a\n\n'), 'end'],
    ['ends without an event', 'no-event', HEAD + chunk(': nothing\n\n') + END, 'end'],
    ['does not end', 'timeout', HEAD + chunk('data: a\n\n'), 'stay'],
  ]

  test.each(broken)('of a server that %s: %s', async (_, outcome, bytes, then) => {
    const url = await answering((socket) => {
      if (bytes.length > 0) socket.write(bytes)
      if (then === 'end') socket.end()
      // What was written leaves first.
      else if (then === 'reset') setImmediate(() => socket.resetAndDestroy())
    })
    const { outcomes, arrivals, scheduled, ttfb, details } = await measure(url, ...BRIEFLY, ...QUICK)
    expect(outcomes).toEqual({ [outcome]: 10 })
    expect(details[outcome as 'reset']).not.toBe('')
    // They stand in the denominator, as slower than any other.
    expect({ arrivals, scheduled, failed: ttfb.failed, p50: ttfb.p50 }).toEqual({
      arrivals: 10,
      scheduled: 10,
      failed: 10,
      p50: Infinity,
    })
  })

  test('of a server that resets within the body: reset, or truncated where both come at once', async () => {
    const url = await answering((socket) => {
      socket.write(HEAD + chunk('data: a\n\n'), () => socket.resetAndDestroy())
    })
    const { outcomes } = await measure(url, ...BRIEFLY)
    const { reset = 0, truncated = 0, ...others } = outcomes
    expect({ broken: reset + truncated, others }).toEqual({ broken: 10, others: {} })
  })

  test('of no server: refused', async () => {
    const server = createServer()
    server.listen({ port: 0, host: '127.0.0.1' })
    await once(server, 'listening')
    const { port } = server.address() as AddressInfo
    server.close()
    await once(server, 'close')
    const { outcomes } = await measure(`http://127.0.0.1:${port}/`, ...BRIEFLY)
    expect(outcomes).toEqual({ refused: 10 })
  })

  test('of one in two: its half is in every percentile', async () => {
    let asked = 0
    const url = await answering((socket) => {
      if (asked++ % 2 === 0) socket.end(EVENTS)
      else socket.end('HTTP/1.1 503 Busy\r\ncontent-length: 0\r\n\r\n')
    })
    const { outcomes, statuses, ttfb, withinSlo } = await measure(url, ...BRIEFLY)
    expect(outcomes).toEqual({ good: 5, status: 5 })
    expect(statuses).toEqual({ 503: 5 })
    expect(withinSlo).toBe(5)
    expect(ttfb.p50).toBeLessThan(Infinity)
    expect(ttfb.p90).toBe(Infinity)
  })
})

describe('a stream is good', () => {
  test('when it ends by itself, in chunks', async () => {
    const url = await answering((socket) => socket.end(EVENTS))
    const { outcomes, events, gap, ttfb, ttfe, total } = await measure(url, ...BRIEFLY)
    expect(outcomes).toEqual({ good: 10 })
    expect(events).toBe(30)
    expect(gap.samples).toBe(20)
    expect(ttfe.p50).toBeGreaterThanOrEqual(ttfb.p50)
    expect(total.p50).toBeGreaterThanOrEqual(ttfe.p50)
  })

  test.each([
    ['a length', 'content-length: 9\r\n\r\ndata: a\n\n'],
    ['the end of the connection', '\r\ndata: a\n\n'],
  ])('when it ends by itself, with %s', async (_, rest) => {
    const url = await answering((socket) =>
      socket.end(`HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\n${rest}`),
    )
    const { outcomes, events } = await measure(url, ...BRIEFLY)
    expect(outcomes).toEqual({ good: 10 })
    expect(events).toBe(10)
  })

  test('when its Nth event has come', async () => {
    const url = await answering((socket) => socket.write(HEAD + chunk('data: a\n\ndata: b\n\n')))
    const { outcomes, endedByProfiler } = await measure(url, ...BRIEFLY, '--events', '2')
    expect({ outcomes, endedByProfiler }).toEqual({ outcomes: { good: 10 }, endedByProfiler: 10 })
  })

  test('not when it ends before its Nth event', async () => {
    const url = await answering((socket) => socket.end(EVENTS))
    const { outcomes } = await measure(url, ...BRIEFLY, '--events', '4')
    expect(outcomes).toEqual({ truncated: 10 })
  })

  test('when its time has come', async () => {
    const url = await answering((socket) => socket.write(HEAD + chunk('data: a\n\n')))
    const { outcomes, endedByProfiler } = await measure(url, ...BRIEFLY, '--for', '100ms')
    expect({ outcomes, endedByProfiler }).toEqual({ outcomes: { good: 10 }, endedByProfiler: 10 })
  })
})

/** Its first event comes a while after the handler has begun. */
const headServer = (isFlushed: boolean): HttpServer =>
  createHttpServer((_, response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' })
    if (isFlushed) response.flushHeaders()
    setTimeout(() => response.end('data: a\n\n'), 100)
  })

const stamped = (): string =>
  chunk(`data: {"sent":{"at":${Date.now() - 5_000}}}\n\ndata: no stamp\n\ndata: {"sent":{"at":null}}\n\n`)

describe('what is measured', () => {
  test('a head that leaves with the first event is seen with it, one that leaves before is not', async () => {
    const held = await measure(await listening(headServer(false)), ...BRIEFLY)
    const flushed = await measure(await listening(headServer(true)), ...BRIEFLY)
    const together = held.ttfe.p50 - held.ttfb.p50
    expect(together).toBeLessThan(flushed.ttfe.p50 - flushed.ttfb.p50)
    expect(flushed.ttfb.p50).toBeLessThan(held.ttfb.p50)
  })

  test('clients that came while the server stalled have waited, since they were meant to come then', async () => {
    let stalled = false
    const stallMs = 400
    const url = await answering((socket) => {
      if (!stalled) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, stallMs)
      stalled = true
      socket.end(EVENTS)
    })
    const { ttfb, outcomes } = await measure(url, ...BRIEFLY)
    expect(outcomes).toEqual({ good: 10 })
    // All 10 were due within the stall, 20 ms apart: one after another has waited that much less.
    expect(ttfb.max).toBeGreaterThan(stallMs - 1)
    expect(ttfb.min).toBeGreaterThan(stallMs - 200)
  })

  test("the way of an event, by the server's stamp", async () => {
    const url = await answering((socket) => socket.end(HEAD + stamped() + END))
    const { latency, unstamped } = await measure(url, ...BRIEFLY, '--stamp', 'json:sent.at')
    expect(latency?.samples).toBe(10)
    expect(unstamped).toBe(20)
    expect(latency?.min).toBeGreaterThan(4_990)
  })

  test("the way of an event, by the host's monotonic clock", async () => {
    const url = await answering((socket) =>
      socket.end(HEAD + chunk(`data: ${process.hrtime.bigint() - 5_000_000_000n} and more\n\n`) + END),
    )
    const { latency } = await measure(url, ...BRIEFLY, '--stamp', 'ns')
    expect(latency?.samples).toBe(10)
    expect(latency?.min).toBeGreaterThanOrEqual(5_000)
  })

  test('what begins in the warm-up does not count', async () => {
    let asked = 0
    const url = await answering((socket) => {
      asked++
      socket.end(EVENTS)
    })
    const { arrivals } = await measure(url, ...BRIEFLY.slice(0, -2), '--warmup', '200ms')
    expect({ arrivals, asked }).toEqual({ arrivals: 10, asked: 20 })
  })

  test('streams within all limits are the goodput', async () => {
    let asked = 0
    const url = await answering((socket) => {
      const late = asked++ % 2 === 1
      socket.write(HEAD + chunk('data: a\n\n'))
      setTimeout(() => socket.end(chunk('data: b\n\n') + END), late ? 600 : 0)
    })
    const { withinSlo, outcomes } = await measure(url, ...BRIEFLY, '--slo', 'ttfb:5000,gap:500')
    expect({ withinSlo, outcomes }).toEqual({ withinSlo: 5, outcomes: { good: 10 } })
  })
})

/** One after another, on connections that are used again. */
const ONE_CLIENT = '--closed 1 --duration 200ms --warmup 0 --connections keep-alive'.split(' ')

const file = (name: string): Buffer => readFileSync(new URL(`../support/${name}`, import.meta.url))

describe('how streams are asked for', () => {
  test('with a method, headers and a body', async () => {
    const asked: string[] = []
    const url = await answering((socket, text) => {
      asked.push(text)
      socket.end(EVENTS)
    })
    await measure(url, ...BRIEFLY, '-d', '{"q":1}', '-H', 'Accept: text/*', '-H', 'x-one: 1')
    expect(asked).toHaveLength(10)
    expect(asked[0]).toMatch(/^POST \/stream HTTP\/1\.1\r\nHost: 127\.0\.0\.1:\d+\r\n/)
    expect(asked[0]).toMatch(/\r\nx-one: 1\r\n.*\r\nConnection: close\r\n\r\n\{"q":1\}$/s)
    expect(asked[0]?.match(/accept: .*/gi)).toEqual(['Accept: text/*'])
  })

  test('on new connections, which are closed in the end, though the server would go on with them', async () => {
    const closed: Promise<unknown>[] = []
    const server = createServer((socket) => {
      socket.on('error', () => {})
      closed.push(once(socket, 'close'))
      socket.on('data', () => socket.write(EVENTS))
    })
    const { arrivals } = await measure(await listening(server), ...BRIEFLY, '--connections', 'new')
    expect(closed).toHaveLength(arrivals)
    await Promise.all(closed)
  })

  test('on connections that are used again', async () => {
    let connections = 0
    const server = createServer((socket) => {
      connections++
      socket.on('error', () => {})
      socket.on('data', () => socket.write(EVENTS))
    })
    const url = await listening(server)
    const { outcomes, connectionsOpened, arrivals } = await measure(url, ...ONE_CLIENT)
    expect(outcomes).toEqual({ good: arrivals })
    expect({ connections, connectionsOpened }).toEqual({ connections: 1, connectionsOpened: 1 })
    expect(arrivals).toBeGreaterThan(1)
  })

  test('again on a new connection, where an idle one was closed at that moment', async () => {
    const url = await answering((socket) => {
      // A second request finds the connection broken.
      socket.removeAllListeners('data')
      socket.on('data', () => socket.resetAndDestroy())
      socket.write(EVENTS)
    })
    const { outcomes, arrivals, connectionsOpened } = await measure(url, ...ONE_CLIENT)
    expect(outcomes).toEqual({ good: arrivals })
    expect(connectionsOpened).toBe(arrivals)
  })

  test('over a unix socket', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'headfirst-'))
    const path = join(folder, 'socket')
    const server = createServer((socket) => {
      socket.on('error', () => {})
      socket.on('data', () => socket.end(EVENTS))
    }).listen(path)
    await once(server, 'listening')
    onTestFinished(() => {
      server.close()
      rmSync(folder, { recursive: true })
    })
    const { outcomes } = await measure('http://localhost/', '--unix-socket', path, ...BRIEFLY)
    expect(outcomes).toEqual({ good: 10 })
  })

  test('over TLS, whose certificate is checked', async () => {
    const [cert, key] = [file('test-only-certificate.pem'), file('test-only-key.pem')]
    const server = createTlsServer({ cert, key }, (socket) => {
      socket.on('error', () => {})
      socket.on('data', () => socket.end(EVENTS))
    })
    server.on('tlsClientError', () => {})
    const url = (await listening(server)).replace('http:', 'https:')
    const trusting = await measure(url, '-k', ...BRIEFLY)
    expect(trusting.outcomes).toEqual({ good: 10 })
    const strict = await measure(url, ...BRIEFLY)
    expect(strict.outcomes).toEqual({ tls: 10 })
    const ca = fileURLToPath(new URL('../support/test-only-certificate.pem', import.meta.url))
    const known = await measure(url, '--ca', ca, ...BRIEFLY)
    expect(known.outcomes).toEqual({ good: 10 })
  })

  test('over TLS, whose certificate has to be of the URL’s address, wherever the connection goes', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'headfirst-'))
    const path = join(folder, 'socket')
    const ca = fileURLToPath(new URL('../support/test-only-certificate.pem', import.meta.url))
    const server = createTlsServer(
      { cert: file('test-only-certificate.pem'), key: file('test-only-key.pem') },
      (socket) => {
        socket.on('error', () => {})
        socket.on('data', () => socket.end(EVENTS))
      },
    ).listen(path)
    await once(server, 'listening')
    onTestFinished(() => {
      server.close()
      rmSync(folder, { recursive: true })
    })
    const options = ['--unix-socket', path, '--ca', ca, ...BRIEFLY]
    expect((await measure('https://127.0.0.1/', ...options)).outcomes).toEqual({ good: 10 })
    const other = await measure('https://127.0.0.2/', ...options)
    expect(other.outcomes).toEqual({ tls: 10 })
    expect(other.details.tls).toContain('127.0.0.2')
  })

  test('over TLS, with nothing said about addresses that are no names', async () => {
    const key = { cert: file('test-only-certificate.pem'), key: file('test-only-key.pem') }
    const server = createTlsServer(key, (socket) => {
      socket.on('error', () => {})
      socket.on('data', () => setTimeout(() => socket.end(EVENTS), 20))
    })
    const url = (await listening(server)).replace('http:', 'https:')
    const closed = ['--closed', '1', '--duration', '200ms', '--warmup', '0']
    const { code, stderr } = await run('profile', url, '-k', ...closed)
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
  })

  test('over TLS, of a server that speaks none: in words, and not in lines of OpenSSL', async () => {
    const url = (await answering((socket) => socket.end('HTTP/1.1 400 Bad\r\n\r\n'))).replace(
      'http:',
      'https:',
    )
    const { outcomes, details } = await measure(url, ...BRIEFLY)
    expect(outcomes).toEqual({ tls: 10 })
    expect(details.tls).toBe('TLS: wrong version number')
  })
})
