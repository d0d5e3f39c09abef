// The example of docs/replay.md, as its readers run it.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { test } from 'node:test'
import { openStream } from 'headfirst/testing'

void test('examples/replay/server.js gives a reader that comes back what was said meanwhile', async (t) => {
  const server = spawn(process.execPath, ['examples/replay/server.js'], {
    env: { ...process.env, PORT: '0' },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  t.after(() => server.kill())
  const [line] = await once(createInterface(server.stdout), 'line')
  const room = new URL('/rooms/kitchen', line)
  const say = async (/** @type {string} */ text) => {
    const headers = { 'content-type': 'application/json' }
    const response = await fetch(room, { method: 'POST', headers, body: JSON.stringify({ text }) })
    return (await response.json()).id
  }

  const first = await say('one')
  const reader = await openStream(room)
  assert.deepEqual(await reader.next(), { event: 'said', id: first, data: '{"text":"one"}' })
  assert.equal(reader.retryMs, 1000)
  const second = await say('two')
  assert.deepEqual((await reader.next())?.id, second)
  await reader.close()

  await say('three')
  const again = await openStream(room, { lastEventId: second })
  assert.deepEqual((await again.next())?.json(), { text: 'three' })
  await say('four')
  assert.deepEqual((await again.next())?.json(), { text: 'four' })
  await again.close()
})
