// The profiler as a program imports it from the built package.
import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import { test } from 'node:test'

void test('headfirst/profiler measures a server, and its report is a page', async (t) => {
  const { profile, toHtml } = await import('headfirst/profiler')
  const server = createServer((_request, response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' }).end('data: 1\n\n')
  })
  await new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve(undefined)))
  t.after(() => server.close())
  const { port } = /** @type {import('node:net').AddressInfo} */ (server.address())
  const report = await profile(`http://127.0.0.1:${port}/`, { duration: '500ms', warmup: 0, generators: 1 })
  assert.match(toHtml(report.document), /TTFB/)
  assert.match(report.verdict, /^(pass|invalid)$/)
})
