import { once } from 'node:events'
import { request, type ClientRequest, type IncomingMessage } from 'node:http'
import { constants } from 'node:http2'
import type { Readable } from 'node:stream'
import { fileURLToPath } from 'node:url'
import { createGunzip } from 'node:zlib'
import { beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import type { HeadfirstOptions, Producer } from '../../src/index.ts'
import { Flag, makeFlags, raise, untilRaised, type Flags, until } from '../../src/testing/flags.ts'
import { awaitingSignal, flooding } from '../../src/testing/producers.ts'
import { Testbed } from '../support/testbed.ts'
import { Http2Client } from '../support/http2-client.ts'
import { findNginx, Nginx, type Binary, type NginxSettings } from './nginx-server.ts'
import { acknowledged } from './nginx-producers.ts'
import { EXECUTORS } from '../support/executors.ts'

type Site = Omit<NginxSettings, 'upstream'>

const COUNT = 20
const GZIP = 'gzip on; gzip_types text/event-stream; gzip_min_length 0; gzip_proxied any;'
const HTTP11 = 'proxy_http_version 1.1; proxy_set_header Connection "";'

/** By what is set beside `proxy_pass`. nginx speaks HTTP/1.0 to the server behind it unless told otherwise. */
const SITES: Record<string, Site> = {
  'nothing else': {},
  'HTTP/1.1 to the server': { location: HTTP11 },
  'buffering and gzip': { location: `proxy_buffering on; ${GZIP}` },
  'buffering, gzip and HTTP/1.1 to the server': { location: `proxy_buffering on; ${GZIP} ${HTTP11}` },
}

let binary: Binary

beforeAll(async () => {
  binary = await findNginx()
}, 300_000)

/** nginx before a testbed's server. */
async function proxy(testbed: Testbed, site: Site): Promise<Nginx> {
  const upstream = await testbed.listen()
  const nginx = await Nginx.start(binary, { ...site, upstream })
  onTestFinished(async () => nginx.stop())
  return nginx
}

/** A server that answers with one producer, behind nginx. */
async function serve<Input>(
  site: Site,
  producer: Producer<Input>,
  input: Input,
  options: Omit<HeadfirstOptions, 'onClose'> = {},
): Promise<{ testbed: Testbed; nginx: Nginx }> {
  const testbed = await Testbed.make(options)
  testbed.app.get('/', { sse: true }, async (_, reply) => reply.sse(producer as Producer<unknown>, input))
  return { testbed, nginx: await proxy(testbed, site) }
}

/** A client that tells in flags what has come: the head, and each event. */
class Client {
  readonly #request: ClientRequest
  headers: IncomingMessage['headers'] = {}
  body = ''
  over = false
  complete = false

  constructor(nginx: Nginx, flags: Flags, headers: Record<string, string> = {}) {
    this.#request = request({ port: nginx.port, host: '127.0.0.1', agent: false, headers })
    onTestFinished(() => this.leave())
    this.#request.on('error', () => {})
    this.#request.on('response', (response) => {
      this.headers = response.headers
      raise(flags, Flag.HEAD)
      const text: Readable =
        response.headers['content-encoding'] === 'gzip' ? response.pipe(createGunzip()) : response
      text.setEncoding('utf8').on('data', (part: string) => {
        for (let n = 0; n < (part.match(/^data/gm)?.length ?? 0); n++) raise(flags, Flag.EVENTS)
        this.body += part
      })
      text.on('error', () => {})
      response.on('close', () => {
        this.complete = response.complete
        this.over = true
      })
    })
    this.#request.end()
  }

  leave(): void {
    this.#request.destroy()
  }
}

const EXPECTED = Array.from({ length: COUNT }, (_, n) => `id: ${n}\ndata: ${'x'.repeat(n)}\n\n`).join('')

describe.each(Object.entries(SITES))('behind nginx with %s', (name, site) => {
  describe.each(EXECUTORS)('on %s', (executor) => {
    test.each(['gzip', 'identity'])(
      'the head comes before the first event, each event before the next is sent (accepting %s)',
      async (encoding) => {
        const flags = makeFlags()
        const { testbed, nginx } = await serve(site, acknowledged, { flags, count: COUNT }, { executor })
        const client = new Client(nginx, flags, { 'accept-encoding': encoding })
        expect((await testbed.closeInfo()).reason).toBe('ended')
        await until(() => client.over && client.body.length === EXPECTED.length, 'the end')
        expect(client).toMatchObject({ body: EXPECTED, complete: true })
        expect(client.headers).toMatchObject({ 'content-type': 'text/event-stream' })
        // What is asserted above would prove less if nginx had not compressed.
        const compressed = encoding === 'gzip' && name.includes('gzip')
        expect(client.headers['content-encoding']).toBe(compressed ? 'gzip' : undefined)
      },
    )
  })

  test('a client that leaves is seen', async () => {
    const flags = makeFlags()
    const { testbed, nginx } = await serve(site, awaitingSignal, { flags, reason: 'client' })
    const client = new Client(nginx, flags, { 'accept-encoding': 'gzip' })
    await untilRaised(flags, Flag.EVENTS)
    client.leave()
    expect((await testbed.closeInfo()).reason).toBe('client')
    await untilRaised(flags, Flag.SEEN)
  })

  test('heartbeats come through, and the farewell of a server that closes', async () => {
    const flags = makeFlags()
    const { testbed, nginx } = await serve(
      site,
      awaitingSignal,
      { flags, reason: 'shutdown' },
      { heartbeatMs: 20 },
    )
    const client = new Client(nginx, flags, { 'accept-encoding': 'gzip' })
    await until(() => client.body.includes('\n\n:\n:\n'), 'heartbeats')
    await testbed.app.close()
    await until(() => client.over && /: the server is closing\nretry: \d+\n$/.test(client.body), 'farewell')
    expect(client.complete).toBe(true)
  })

  test('a client that never reads is closed when too much waits for it', async () => {
    const flags = makeFlags()
    const testbed = await Testbed.make({ maxBuffered: 200_000 })
    testbed.app.get('/', { sse: true }, async (_, reply) => reply.sse(flooding, { flags }))
    const nginx = await proxy(testbed, site)
    const stuck = request({ port: nginx.port, host: '127.0.0.1', agent: false })
    onTestFinished(() => void stuck.destroy())
    stuck.on('error', () => {}).end()
    await once(stuck, 'response')
    await untilRaised(flags, Flag.FINALLY)
    expect((await testbed.closeInfo()).reason).toBe('overflow')
  })
})

// With TLS and HTTP/2, nginx 1.22 holds the head back until some of the body comes: hence retryMs.
test('nginx that ends TLS speaks HTTP/2 to the clients; with retryMs the head comes before the first event', async () => {
  const [key, certificate] = ['../support/test-only-key.pem', '../support/test-only-certificate.pem'].map(
    (file) => fileURLToPath(new URL(file, import.meta.url)),
  )
  const site = { listen: 'ssl http2', server: `ssl_certificate ${certificate}; ssl_certificate_key ${key};` }
  const flags = makeFlags()
  const input = { flags, count: COUNT }
  const { testbed, nginx } = await serve(site, acknowledged, input, { retryMs: 1_000 })
  const client = await Http2Client.connect(`https://localhost:${nginx.port}`)
  const response = client.open('/')
  response.stream.on('data', (text: string) => {
    for (let n = 0; n < (text.match(/^data/gm)?.length ?? 0); n++) raise(flags, Flag.EVENTS)
  })
  await response.head()
  raise(flags, Flag.HEAD)
  await response.over()
  expect(response.body).toBe(`retry: 1000\n${EXPECTED}`)
  expect(response.stream.rstCode).toBe(constants.NGHTTP2_NO_ERROR)
  expect((await testbed.closeInfo()).reason).toBe('ended')
})
