import { readFileSync } from 'node:fs'
import { createServer, type RequestListener, type Server } from 'node:http'
import { createServer as createSecureServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { gzipSync } from 'node:zlib'
import { afterEach, expect, test } from 'vitest'
import { nowMs } from '../../../profiler/clock.ts'
import { StreamClient, type Target } from '../../../bench/load/stream-client.ts'

const servers: Server[] = []
afterEach(() => {
  for (const server of servers.splice(0)) server.close()
})

async function settled(server: Server, target: Partial<Target>): Promise<StreamClient> {
  servers.push(server)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  return new Promise((resolve) => {
    const client: StreamClient = new StreamClient({ port, path: '/', events: 2, ...target }, nowMs(), () =>
      resolve(client),
    )
  })
}

const read = (file: string): string => readFileSync(new URL(`../../http/${file}`, import.meta.url), 'utf8')

const TEXT = 'data: 0 begins\n\ndata: 1 ends\n\n'
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
  const client = await settled(server, { coding: 'gzip' })
  expect(client.outcome).toBe('good')
  expect(asked).toEqual(['gzip'])
  expect(client.parser.body).toMatchObject({ events: 2, bytes: TEXT.length })
  expect(client.wireBytes).toBeGreaterThan(coded.length)
  expect(client.firstEventMs).toBeGreaterThanOrEqual(client.firstByteMs as number)
})

test('a body without the coding that was asked for does not count', async () => {
  expect((await settled(createServer(answer(TEXT)), { coding: 'gzip' })).outcome).toBe('status')
})

test('nor does one in a coding that was not', async () => {
  const server = createServer(answer(gzipSync(TEXT), { 'content-encoding': 'gzip' }))
  expect((await settled(server, {})).outcome).toBe('status')
})

test('a coded body that is no such thing, or has no end, is malformed', async () => {
  const headers = { 'content-encoding': 'gzip' }
  const bodies = [Buffer.from(TEXT), gzipSync(TEXT).subarray(0, -4)]
  for (const body of bodies) {
    const client = await settled(createServer(answer(body, headers)), { coding: 'gzip' })
    expect(client.outcome).toBe('malformed')
  }
})

test('a hole in a coded body is seen', async () => {
  const body = gzipSync('data: 0 begins\n\ndata: 2 ends\n\n')
  const client = await settled(createServer(answer(body, { 'content-encoding': 'gzip' })), { coding: 'gzip' })
  expect(client.outcome).toBe('hole')
})

test('numbers in strings of JSON are read', async () => {
  expect((await settled(createServer(answer('data: "0 a"\n\ndata: "1 b"\n\n')), {})).outcome).toBe('good')
})

test('where nothing is known of the events, a complete stream is good', async () => {
  const client = await settled(createServer(answer('data: any\n\ndata: thing\n\ndata: 7\n\n')), {
    events: undefined,
  })
  expect(client.outcome).toBe('good')
  expect(client.parser.body.events).toBe(3)
})

test('behind TLS a stream is the same', async () => {
  const options = { key: read('test-only-key.pem'), cert: read('test-only-certificate.pem') }
  const client = await settled(createSecureServer(options, answer(TEXT)), { tls: true })
  expect(client.outcome).toBe('good')
  expect(client.parser.body).toMatchObject({ events: 2, bytes: TEXT.length })
})
