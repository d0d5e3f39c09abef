// The servers of examples/ do what their pages say of them. (Those of replay, testing, own-executor and the README have
// tests of their own.)
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { connect } from 'node:http2'
import { createInterface } from 'node:readline'
import { test } from 'node:test'
import { openStream } from 'headfirst/testing'

/** An example that runs, and all that it prints. */
class Example {
  /** @type {string[]} */
  lines = []
  #child
  #read

  /** @param {import('node:test').TestContext} t @param {string} name */
  constructor(t, name) {
    this.#child = spawn(process.execPath, [`examples/${name}/server.js`], {
      env: { ...process.env, PORT: '0' },
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    this.#read = createInterface(this.#child.stdout)
    this.#read.on('line', (line) => this.lines.push(line))
    t.after(() => this.#child.kill('SIGKILL'))
  }

  /** @param {RegExp} pattern @returns {Promise<RegExpExecArray>} */
  async says(pattern) {
    for (;;) {
      // All of them: what it said may have come before anybody waited for it.
      for (const line of this.lines) {
        const found = pattern.exec(line)
        if (found !== null) return found
      }
      await Promise.race([
        once(this.#read, 'line'),
        once(this.#read, 'close').then(() => assert.fail(`it has ended without saying ${pattern}`)),
      ])
    }
  }

  async address() {
    const [, address = ''] = await this.says(/(http:\/\/(?:127\.0\.0\.1|\[::1\]):\d+)/)
    return address
  }

  /** @returns the exit code */
  async stop() {
    const gone = once(this.#child, 'exit')
    this.#child.kill('SIGTERM')
    return (await gone)[0]
  }
}

void test('examples/backpressure: prices, and rows at the pace of their reader', async (t) => {
  const example = new Example(t, 'backpressure')
  const address = await example.address()
  const prices = await openStream(`${address}/prices`)
  assert.deepEqual([(await prices.next())?.event, (await prices.next())?.event], ['ACME', 'INIT'])
  await prices.close()
  await example.says(/^client: \d+ events, 0 dropped$/)
  const rows = await openStream(`${address}/rows`)
  for (let row = 0; row < 10_000; row++) assert.deepEqual((await rows.next())?.json(), { row })
  await rows.close()
})

void test('examples/compression: an event can be read before the next is sent', async (t) => {
  const address = await new Example(t, 'compression').address()
  const leave = new AbortController()
  t.after(() => leave.abort())
  const { headers, body } = await fetch(`${address}/table`, {
    headers: { 'accept-encoding': 'gzip' },
    signal: leave.signal,
  })
  assert.equal(headers.get('content-encoding'), 'gzip')
  assert.match(headers.get('vary') ?? '', /Accept-Encoding/)
  // `fetch` has decoded it.
  const part = await body?.getReader().read()
  assert.match(new TextDecoder().decode(part?.value), /^event: patch\ndata: <tr id="row-0">/)
})

void test('examples/errors-after-the-head: the client is told an id that stands in the log, and no more', async (t) => {
  const example = new Example(t, 'errors-after-the-head')
  const body = await (await fetch(`${await example.address()}/answer`)).text()
  assert.match(body, /^data: thinking\n\nevent: failed\ndata: {"requestId":"[^"]+"}\n\n$/)
  const [, id = ''] = /"requestId":"([^"]+)"/.exec(body) ?? []
  await example.says(new RegExp(`"reqId":"${id}".*refused the password.*event stream failed`))
})

void test('examples/http2: a stream of HTTP/2 in the clear', async (t) => {
  const session = connect(await new Example(t, 'http2').address())
  t.after(() => session.destroy())
  const stream = session.request({ ':path': '/clock' }).setEncoding('utf8')
  const [headers] = await once(stream, 'response')
  assert.equal(headers['content-type'], 'text/event-stream')
  const [text] = await once(stream, 'data')
  assert.match(text, /^data: \d{4}-/)
})

void test('examples/keeping-alive: first the retry, then events, heartbeats, and the limit that ends it', async (t) => {
  const example = new Example(t, 'keeping-alive')
  const ticks = await openStream(`${await example.address()}/ticks`)
  for (let n = 1; n <= 3; n++) assert.deepEqual((await ticks.next())?.json(), { n })
  assert.ok(Number(ticks.retryMs) >= 2_000 && Number(ticks.retryMs) <= 5_000, `${ticks.retryMs}`)
  assert.equal(await ticks.next(), undefined)
  assert.ok(ticks.comments.length > 0)
  await example.says(/^timeout .*idleMs/)
})

void test('examples/lifecycle: a welcome, and a line of the log when the client has left', async (t) => {
  const example = new Example(t, 'lifecycle')
  const ticks = await openStream(`${await example.address()}/ticks`)
  assert.match((await ticks.next())?.data ?? '', /^\d{4}-/)
  assert.deepEqual(ticks.comments, ['welcome'])
  await ticks.close()
  await example.says(/no more ticks: client/)
  await example.says(/"reason":"client","events":1,"openMs":\d.*stream closed/)
})

void test('examples/limits: the fourth stream of a user is refused, another user’s is not', async (t) => {
  const address = await new Example(t, 'limits').address()
  const open = async (/** @type {string} */ user) =>
    openStream(`${address}/mine`, { headers: { 'x-user': user } })
  const streams = []
  for (const user of ['ada', 'ada', 'ada', 'ada', 'bob']) streams.push(await open(user))
  assert.deepEqual(
    streams.map(({ status }) => status),
    [200, 200, 200, 429, 200],
  )
  for (const stream of streams) await stream.close()
})

void test('examples/negotiation: JSON or events, by header and by body', async (t) => {
  const address = await new Example(t, 'negotiation').address()
  const words = (/** @type {string} */ accept) => fetch(`${address}/words`, { headers: { accept } })
  const ask = (/** @type {object} */ body) =>
    fetch(`${address}/completions`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    })
  const json = '{"words":["The","head","leaves","first."]}'
  assert.equal(await (await words('application/json')).text(), json)
  assert.equal(await (await ask({})).text(), json)
  const events = await (await words('text/event-stream')).text()
  assert.match(events, /^id: 0\ndata: {"word":"The"}\n\n/)
  assert.equal(await (await ask({ stream: true })).text(), events)
})

void test('examples/shutdown: open streams get their farewell, and the process ends', async (t) => {
  const example = new Example(t, 'shutdown')
  const count = await openStream(`${await example.address()}/count`)
  assert.equal((await count.next())?.data, '0')
  const stopped = example.stop()
  while ((await count.next()) !== undefined);
  assert.deepEqual(count.comments, ['the server is closing'])
  assert.ok(Number(count.retryMs) > 3_000, `${count.retryMs}`)
  assert.equal(await stopped, 0)
  await example.says(/the counter has stopped/)
})
