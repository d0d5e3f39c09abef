/** What stands in a ring when its stream is closed from outside was sent: the client gets it. */
import { expect, test } from 'vitest'
import { blockUntil, Flag, makeFlags, raise, untilRaised } from '../../../src/testing/flags.ts'
import { makeTestbed, route, turns } from '../../lifecycle/everywhere.ts'
import { get } from '../../plugin/client.ts'
import { sendsOnGo } from './collected-producers.ts'

test.each([1, 3])(
  'an event that was sent before the shutdown arrives before the farewell (%i streams)',
  async (count) => {
    const testbed = await makeTestbed({ executor: 'workers', graceMs: 10_000 })
    const inputs = Array.from({ length: count }, () => ({ flags: makeFlags(), ends: false }))
    for (const [n, input] of inputs.entries()) route(testbed, `/${n}`, sendsOnGo, input)
    const clients = []
    for (const [n, { flags }] of inputs.entries()) {
      const client = await testbed.connect()
      client.send(get(`/${n}`))
      await client.including('data: first')
      await untilRaised(flags, Flag.STARTED)
      clients.push(client)
    }
    await turns()
    // This thread reads nothing from here on until the server closes.
    for (const { flags } of inputs) raise(flags, Flag.GO)
    for (const { flags } of inputs) expect(blockUntil(flags, Flag.SEEN)).toBe(true)
    const closed = testbed.app.close()
    for (const client of clients) {
      const { body, complete } = await client.response()
      expect(body).toMatch(/^data: first\n\ndata: last\n\n: .+\nretry: \d+\n$/)
      expect(complete).toBe(true)
    }
    await closed
    for (const { reason } of testbed.closed) expect(reason).toBe('shutdown')
  },
)

test('and before the end that a time limit makes', async () => {
  const testbed = await makeTestbed({ executor: 'workers' })
  const flags = makeFlags()
  route(testbed, '/', sendsOnGo, { flags, ends: false }, { timeouts: { totalMs: 400 } })
  const client = await testbed.connect()
  client.send(get('/'))
  await client.including('data: first')
  await untilRaised(flags, Flag.STARTED)
  raise(flags, Flag.GO)
  expect(blockUntil(flags, Flag.SEEN)).toBe(true)
  // The limit strikes in the first turn after this.
  const until = performance.now() + 500
  while (performance.now() < until);
  expect((await client.response()).body).toBe('data: first\n\ndata: last\n\n')
  expect((await testbed.closeInfo()).reason).toBe('timeout')
})

test('an end that stands in the ring, too, is no shutdown', async () => {
  const testbed = await makeTestbed({ executor: 'workers', graceMs: 10_000 })
  const flags = makeFlags()
  route(testbed, '/', sendsOnGo, { flags, ends: true })
  const client = await testbed.connect()
  client.send(get('/'))
  await client.including('data: first')
  await untilRaised(flags, Flag.STARTED)
  raise(flags, Flag.GO)
  expect(blockUntil(flags, Flag.SEEN)).toBe(true)
  const later = performance.now() + 100
  while (performance.now() < later);
  const closed = testbed.app.close()
  expect((await client.response()).body).toBe('data: first\n\ndata: last\n\n')
  await closed
  expect((await testbed.closeInfo()).reason).toBe('ended')
})
