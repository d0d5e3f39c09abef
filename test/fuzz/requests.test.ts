import { once } from 'node:events'
import { connect, type AddressInfo, type Socket } from 'node:net'
import zlib from 'node:zlib'
import cors from '@fastify/cors'
import { createParser } from 'eventsource-parser'
import type { FastifyServerOptions } from 'fastify'
import { describe, expect, onTestFinished, test } from 'vitest'
import { History, type SseRouteOptions } from '../../src/index.ts'
import { Http2Client } from '../support/http2-client.ts'
import { origin, SERVERS } from '../support/protocols.ts'
import { Testbed } from '../support/testbed.ts'
import { echoing } from './requests-producers.ts'
import { anyRequest, INJECTED } from './requests-drawn.ts'
import { readResponses, type StrictResponse } from './requests-responses.ts'
import { type Dice, LONG, TIMEOUT, many, rounds } from '../support/random.ts'
import { EXECUTORS } from '../support/executors.ts'
import { waits } from '../support/producers/endless.ts'
import { frame, PREFACE, HEADERS, SETTINGS, END_STREAM_AND_HEADERS } from '../support/http2-frames.ts'

/** Of each executor a stream that ends and one that does not; and whatever else looks at a request's fields. */
async function serve(
  server: FastifyServerOptions = {},
  options: SseRouteOptions = {},
): Promise<{ testbed: Testbed; paths: string[] }> {
  const testbed = await Testbed.everywhere({ compress: true, retryMs: 1_000, ...options }, server)
  await testbed.app.register(cors, { origin: true, credentials: true })
  const history = new History({ maxEvents: 10 })
  for (let n = 0; n < 20; n++) history.push('key', { data: n })
  const paths: string[] = []
  for (const executor of EXECUTORS) {
    testbed.route(`/${executor}/echo`, echoing, undefined, { executor })
    testbed.route(`/${executor}/strict`, echoing, undefined, { executor, accept: 'strict', compress: false })
    testbed.route(`/${executor}/waits`, waits, undefined, { executor })
    paths.push(`/${executor}/echo`, `/${executor}/strict`, `/${executor}/waits`)
  }
  testbed.app.get('/history', { sse: { executor: 'inline' } }, async (_, reply) =>
    reply.sse(history.follow('key')),
  )
  testbed.app.get('/either', { sse: { executor: 'deferred' } }, async (request, reply) =>
    request.prefersEventStream() ? reply.sse(echoing) : { json: true },
  )
  testbed.app.post('/post', { sse: { executor: 'inline' } }, async (_, reply) => reply.sse(echoing))
  paths.push('/history', '/either', '/post')
  // It listens from the first client on.
  ;(await testbed.connect()).destroy()
  return { testbed, paths }
}

const portOf = ({ app }: Testbed): number => (app.server.address() as AddressInfo).port

/** How a client ends a connection; a session of HTTP/2 does not mind that it is half-closed. */
type Leaving = 'end' | 'destroy'

/** Sends bytes in some pieces, leaves once something has come or nothing seems to, and takes all that comes. */
async function exchange(
  port: number,
  request: Buffer,
  random: Dice,
  leave: Leaving = 'end',
): Promise<Buffer> {
  const socket = connect({ port, host: '127.0.0.1', noDelay: true })
  onTestFinished(() => void socket.destroy())
  const parts: Buffer[] = []
  let hurry!: () => void
  const answered = new Promise<void>((resolve) => (hurry = resolve))
  socket.on('error', () => {})
  socket.on('data', (part: Buffer) => {
    parts.push(part)
    // More may come in the same breath.
    setImmediate(hurry)
  })
  const closed = new Promise<void>((resolve) => socket.once('close', () => resolve()))
  await once(socket, 'connect')
  for (let at = 0; at < request.length;) {
    const next = random(3) === 0 ? at + 1 + random(200) : request.length
    socket.write(request.subarray(at, next))
    at = next
  }
  // A request without its end is answered never.
  await Promise.race([answered, closed, new Promise((resolve) => setTimeout(resolve, 5))])
  socket[leave]()
  await closed
  return Buffer.concat(parts)
}

const STATUSES = [100, 200, 204, 206, 400, 404, 406, 408, 413, 414, 415, 417, 426, 431, 501, 505]

function expectWellFormed(responses: readonly StrictResponse[]): void {
  for (const { status, fields, body, complete } of responses) {
    expect({ status, body: body.toString() }).toMatchObject({ status: expect.toBeOneOf(STATUSES) as number })
    for (const [name] of fields) expect(name).not.toBe(INJECTED)
    const isStream = fields.some(
      ([name, value]) => name === 'content-type' && value.startsWith('text/event-stream'),
    )
    if (isStream && status === 200) expectEvents(decoded(body, complete, fields))
  }
}

function decoded(body: Buffer, complete: boolean, fields: StrictResponse['fields']): Buffer {
  const coding = fields.find(([name]) => name === 'content-encoding')?.[1]
  if (coding === undefined) return body
  if (!complete || body.length === 0) return Buffer.alloc(0)
  if (coding === 'gzip') return zlib.gunzipSync(body)
  if (coding === 'br') return zlib.brotliDecompressSync(body)
  return (zlib as unknown as { zstdDecompressSync: (bytes: Buffer) => Buffer }).zstdDecompressSync(body)
}

/** Whatever was sent back in an event stands in the field where it belongs. */
function expectEvents(body: Buffer): void {
  const errors: string[] = []
  const forged: unknown[] = []
  const parser = createParser({
    onEvent({ data, event, id }) {
      const isOwn = (data === 'echoed' || data === '0') && event === undefined && id === undefined
      const isEchoed = id === data && (event ?? '') === data
      const isHistory = /^1?\d$/.test(data) || event === 'behind'
      if (!isOwn && !isEchoed && !isHistory) forged.push({ data, event, id })
    },
    onError: ({ message }) => errors.push(message),
  })
  parser.feed(body.toString())
  expect({ errors, forged }).toEqual({ errors: [], forged: [] })
}

/** What a good client gets that had `good` last. */
const GOOD = 'retry: 1000\n: good\nevent: good\nid: good\ndata: good\n\ndata: echoed\n\n'

/** Nothing counts any more, nothing went wrong, and a good client is served. */
async function expectUnharmed(testbed: Testbed): Promise<void> {
  await testbed.idle()
  for (const executor of EXECUTORS) {
    const { status, body } = await testbed.request(`/${executor}/strict`, {
      accept: 'text/event-stream',
      'last-event-id': 'good',
    })
    expect({ status, body }).toEqual({ status: 200, body: GOOD })
  }
  await testbed.idle()
  expect(testbed.logged).toEqual([])
  for (const [name, { opened, closed }] of Object.entries(testbed.app.sse.stats().routes)) {
    expect([name, Object.values(closed).reduce((sum, each) => sum + each, 0)]).toEqual([name, opened])
  }
}

describe('requests of any bytes', () => {
  test('get an answer that is HTTP, or none; nothing of them is left', { timeout: TIMEOUT }, async () => {
    const { testbed, paths } = await serve()
    const statuses = new Map<number, number>()
    await rounds(many(1_500, 60_000), async (random) => {
      const bytes = await exchange(portOf(testbed), anyRequest(random, paths), random)
      const responses = readResponses(bytes)
      expectWellFormed(responses)
      for (const { status } of responses) statuses.set(status, (statuses.get(status) ?? 0) + 1)
    })
    await expectUnharmed(testbed)
    if (LONG) console.log(statuses)
    // They got as far as the routes, and not all did.
    expect(statuses.get(200)).toBeGreaterThan(many(200, 8_000))
    expect(statuses.get(400)).toBeGreaterThan(many(100, 4_000))
    expect(testbed.closed.length).toBeGreaterThan(many(200, 8_000))
  })

  test('many at a time do not either', { timeout: TIMEOUT }, async () => {
    const { testbed, paths } = await serve()
    await rounds(many(20, 800), async (random) => {
      const requests = Array.from({ length: 40 }, () => anyRequest(random, paths))
      const all = await Promise.all(
        requests.map(async (request) => exchange(portOf(testbed), request, random)),
      )
      for (const bytes of all) expectWellFormed(readResponses(bytes))
    })
    await expectUnharmed(testbed)
    expect(testbed.closed.length).toBeGreaterThan(many(100, 4_000))
  })
})

/** A string as HPACK has it, of at most as many bytes as one byte can tell (RFC 7541, 5.2). */
function text(of: string): Buffer {
  const bytes = Buffer.from(of, 'latin1').subarray(0, 126)
  return Buffer.concat([Buffer.of(bytes.length), bytes])
}

/** A field as HPACK has it without any compression (RFC 7541, 6.2.2). */
function literal(name: string, value: string): Buffer {
  return Buffer.concat([Buffer.of(0), text(name), text(value)])
}

/** What an HTTP/2 client may send once it is connected: requests with fields of any bytes, and any frames. */
function anyFrames(random: Dice, paths: readonly string[]): Buffer {
  const frames = [PREFACE, frame(SETTINGS, 0, 0, Buffer.alloc(0))]
  let stream = 1
  for (let count = 1 + random(4); count > 0; count--, stream += 2) {
    const path = paths[random(paths.length)] as string
    const pseudo = [
      literal(':method', 'GET'),
      literal(':scheme', 'http'),
      literal(':path', path),
      literal(':authority', 'localhost'),
    ]
    if (random(8) === 0) pseudo.splice(random(4), 1)
    // The lines of a request of HTTP/1.1, as fields.
    const lines = anyRequest(random, paths).toString('latin1').split('\r\n').slice(1, 6)
    const fields = lines.map((line) => {
      const colon = line.indexOf(':')
      const name = line.slice(0, Math.max(colon, 0))
      const value = line.slice(colon + 1).trim()
      return literal(
        random(6) === 0 ? name : name.toLowerCase(),
        random(4) === 0 ? `${value}\r\nx: y` : value,
      )
    })
    frames.push(frame(HEADERS, END_STREAM_AND_HEADERS, stream, Buffer.concat([...pseudo, ...fields])))
    if (random(6) === 0) {
      const garbage = Buffer.from(Array.from({ length: random(60) }, () => random(256)))
      frames.push(random(2) === 0 ? garbage : frame(random(12), random(256), random(6), garbage))
    }
  }
  return Buffer.concat(frames)
}

// Node 20 does not close a session whose client broke the protocol: a heartbeat finds out.
test('nothing is left of HTTP/2 frames of any bytes', { timeout: TIMEOUT }, async () => {
  const { testbed, paths } = await serve(SERVERS.h2c, { heartbeatMs: 200 })
  const sockets: Socket[] = []
  testbed.app.server.on('connection', (socket: Socket) => sockets.push(socket))
  await rounds(many(300, 20_000), async (random) => {
    await exchange(portOf(testbed), anyFrames(random, paths), random, 'destroy')
  })
  await testbed.idle()
  for (const socket of sockets) socket.destroy()
  expect(testbed.closed.length).toBeGreaterThan(many(20, 1_000))
  const client = await Http2Client.connect(origin('h2c', portOf(testbed)))
  for (const executor of EXECUTORS) {
    const good = client.open(`/${executor}/strict`, { 'last-event-id': 'good' })
    await good.over()
    // A busy machine may let a heartbeat's time pass.
    expect(good.body.replaceAll(/^:\n/gm, '')).toBe(GOOD)
  }
  client.session.close()
  await testbed.idle()
  expect(testbed.logged).toEqual([])
})
