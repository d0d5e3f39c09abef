import { readFileSync } from 'node:fs'
import { createServer, type RequestListener } from 'node:http'
import { createServer as createSecureServer } from 'node:https'
import { createServer as createNetServer, type AddressInfo, type Server as NetServer } from 'node:net'
import { gzipSync } from 'node:zlib'
import { afterEach, expect, test } from 'vitest'
import { chunk, END, HEAD } from '../../profiler/profiling.ts'
import { nowMs } from '../../../profiler/clock.ts'
import { outcomeOf, type Outcome } from '../../../bench/load/outcome.ts'
import { TargetStreams } from '../../../bench/load/target-streams.ts'
import type { Target } from '../../../bench/load/target.ts'
import type { Stream } from '../../../profiler/client/stream.ts'

const WITHIN_MS = 10_000

const servers: NetServer[] = []
afterEach(() => {
  for (const server of servers.splice(0)) server.close()
})

async function taken(
  server: NetServer,
  expected: Partial<Target>,
): Promise<{ stream: Stream; outcome: Outcome }> {
  servers.push(server)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  const target: Target = { port, path: '/', events: 2, ...expected }
  const streams = new TargetStreams(target)
  const stream = streams.begin(nowMs())
  await streams.over(stream, WITHIN_MS)
  return { stream, outcome: outcomeOf(stream, target.events) }
}

const read = (file: string): string => readFileSync(new URL(`../../support/${file}`, import.meta.url), 'utf8')

const TEXT = 'data: 0 begins\n\ndata: 1 ends\n\n'
const TYPE = 'HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n'
const EVENT_STREAM = { 'content-type': 'text/event-stream' }

/** In two writes, so that it is sent in chunks. */
function answer(body: Buffer | string, headers: Record<string, string> = {}): RequestListener {
  return (_request, response) => {
    const bytes = Buffer.from(body)
    response.writeHead(200, { ...EVENT_STREAM, ...headers })
    response.write(bytes.subarray(0, 7))
    response.end(bytes.subarray(7))
  }
}

test('a body in the coding that was asked for is decoded, and its bytes are counted twice', async () => {
  const asked: unknown[] = []
  const coded = gzipSync(TEXT)
  const server = createServer((request, response) => {
    asked.push(request.headers['accept-encoding'])
    answer(coded, { 'content-encoding': 'gzip' })(request, response)
  })
  const { stream, outcome } = await taken(server, { coding: 'gzip' })
  expect(outcome).toBe('good')
  expect(asked).toEqual(['gzip'])
  expect(stream.body).toMatchObject({ events: 2, bytes: TEXT.length })
  expect(stream.wireBytes).toBeGreaterThan(coded.length)
  expect(stream.firstEventMs).toBeGreaterThanOrEqual(stream.firstByteMs as number)
})

test('a body without the coding that was asked for does not count', async () => {
  expect((await taken(createServer(answer(TEXT)), { coding: 'gzip' })).outcome).toBe('status')
})

test('nor does one in a coding that was not', async () => {
  const server = createServer(answer(gzipSync(TEXT), { 'content-encoding': 'gzip' }))
  expect((await taken(server, {})).outcome).toBe('status')
})

test('a coded body that is no such thing, or has no end, is malformed', async () => {
  const headers = { 'content-encoding': 'gzip' }
  const bodies = [Buffer.from(TEXT), gzipSync(TEXT).subarray(0, -4)]
  for (const body of bodies) {
    const { outcome } = await taken(createServer(answer(body, headers)), { coding: 'gzip' })
    expect(outcome).toBe('malformed')
  }
})

test('a hole in a coded body is seen', async () => {
  const body = gzipSync('data: 0 begins\n\ndata: 2 ends\n\n')
  const server = createServer(answer(body, { 'content-encoding': 'gzip' }))
  expect((await taken(server, { coding: 'gzip' })).outcome).toBe('hole')
})

test('numbers in strings of JSON are read', async () => {
  expect((await taken(createServer(answer('data: "0 a"\n\ndata: "1 b"\n\n')), {})).outcome).toBe('good')
})

test('where nothing is known of the events, a complete stream is good', async () => {
  const server = createServer(answer('data: any\n\ndata: thing\n\ndata: 7\n\n'))
  const { stream, outcome } = await taken(server, { events: undefined })
  expect(outcome).toBe('good')
  expect(stream.events).toBe(3)
})

test('behind TLS a stream is the same', async () => {
  const options = { key: read('test-only-key.pem'), cert: read('test-only-certificate.pem') }
  const { stream, outcome } = await taken(createSecureServer(options, answer(TEXT)), { tls: true })
  expect(outcome).toBe('good')
  expect(stream.body).toMatchObject({ events: 2, bytes: TEXT.length })
})

/** A server that sends these bytes, and closes. */
const sending = (bytes: string): NetServer =>
  createNetServer((socket) => {
    socket.on('error', () => {})
    socket.on('data', () => socket.end(bytes))
  })

test.each<[outcome: Outcome, what: string, bytes: string]>([
  ['good', 'is in chunks, with all events', HEAD + chunk(TEXT) + END],
  ['truncated', 'has no last chunk', HEAD + chunk(TEXT)],
  ['truncated', 'has too few events', HEAD + chunk('data: 0\n\n') + END],
  ['truncated', 'has too many', `${HEAD}${chunk(TEXT)}${chunk('data: 2\n\n')}${END}`],
  ['truncated', 'has none', HEAD + chunk(': nothing\n\n') + END],
  ['truncated', 'has no bytes', ''],
  ['hole', 'misses an event', HEAD + chunk('data: 0\n\ndata: 2\n\n') + END],
  ['malformed', 'is none of HTTP', 'what?'],
  ['malformed', 'has a chunk without a size', `${HEAD}\r\n`],
  ['status', 'has another status', 'HTTP/1.1 503 Busy\r\ncontent-length: 0\r\n\r\n'],
  ['status', 'is a page', 'HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ntransfer-encoding: chunked\r\n\r\n'],
  ['status', 'has a length', `${TYPE}content-length: ${TEXT.length}\r\n\r\n${TEXT}`],
  ['status', 'ends with its connection', `${TYPE}\r\n${TEXT}`],
])('%s: a response that %s', async (expected, _, bytes) => {
  expect((await taken(sending(bytes), {})).outcome).toBe(expected)
})

test('a server that resets, or that is not there, is seen', async () => {
  const resetting = createNetServer((socket) => socket.on('data', () => socket.resetAndDestroy()))
  expect((await taken(resetting, {})).outcome).toBe('reset')
  const gone = createNetServer()
  await new Promise<void>((resolve) => gone.listen(0, '127.0.0.1', resolve))
  const { port } = gone.address() as AddressInfo
  await new Promise((resolve) => gone.close(resolve))
  const streams = new TargetStreams({ port, path: '/', events: 1 })
  const stream = streams.begin(nowMs())
  await streams.over(stream, WITHIN_MS)
  expect(outcomeOf(stream, 1)).toBe('refused')
})

test('what is not over in time is no longer waited for', async () => {
  const silent = createNetServer((socket) => socket.on('error', () => {}))
  servers.push(silent)
  await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve))
  const streams = new TargetStreams({ port: (silent.address() as AddressInfo).port, path: '/', events: 1 })
  const stream = streams.begin(nowMs())
  await streams.over(stream, 20)
  expect(outcomeOf(stream, 1)).toBe('timeout')
})
