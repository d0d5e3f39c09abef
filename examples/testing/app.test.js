import assert from 'node:assert/strict'
import { test } from 'node:test' // or from vitest
import { openStream } from 'headfirst/testing'
import { makeApp } from './app.js'

void test('counts down, event by event', async (t) => {
  const app = await makeApp()
  t.after(() => app.close())
  const stream = await openStream(app, { path: '/countdown/2' })
  assert.equal(stream.status, 200)
  assert.deepEqual(await stream.next(), { event: 'left', id: '2', data: '{"left":2}' })
  const rest = []
  for await (const event of stream.events) rest.push(event.json().left)
  assert.deepEqual(rest, [1])
})

void test('refuses what takes too long', async (t) => {
  const app = await makeApp()
  t.after(() => app.close())
  const response = await openStream(app, { path: '/countdown/11' })
  assert.equal(response.status, 400)
  assert.match(await response.text(), /from 10 at most/)
})

void test('ends, so that inject() will do', async (t) => {
  const app = await makeApp()
  t.after(() => app.close())
  const { body } = await app.inject('/countdown/1')
  assert.equal(body, 'event: left\nid: 1\ndata: {"left":1}\n\n')
})
