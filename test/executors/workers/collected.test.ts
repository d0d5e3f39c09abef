/** What stands in a ring when its stream is closed from outside was sent: the client gets it. */
import { expect, test } from 'vitest'
import type { SseRouteOptions } from '../../../src/index.ts'
import { blockUntil, Flag, makeFlags, raise, untilRaised } from '../../../src/testing/flags.ts'
import type { RawClient } from '../../support/raw-client.ts'
import { Testbed } from '../../support/testbed.ts'
import { sendsOnGo } from './collected-producers.ts'

const BOTH = 'data: first\n\ndata: last\n\n'

/**
 * Streams whose last event stands in a ring. This thread has not read it, and does not before it gives the event loop a
 * turn.
 */
async function unread(
  streams: number,
  ends = false,
  options: SseRouteOptions = {},
): Promise<{ testbed: Testbed; clients: RawClient[] }> {
  const testbed = await Testbed.everywhere({ executor: 'workers', graceMs: 10_000 })
  const inputs = Array.from({ length: streams }, () => ({ flags: makeFlags(), ends }))
  for (const [n, input] of inputs.entries()) testbed.route(`/${n}`, sendsOnGo, input, options)
  const clients = []
  for (const [n, { flags }] of inputs.entries()) {
    const client = await testbed.ask(`/${n}`)
    await client.including('data: first')
    await untilRaised(flags, Flag.STARTED)
    clients.push(client)
  }
  for (const { flags } of inputs) raise(flags, Flag.GO)
  for (const { flags } of inputs) expect(blockUntil(flags, Flag.SEEN)).toBe(true)
  return { testbed, clients }
}

test.each([1, 3])(
  'an event that was sent before the shutdown arrives before the farewell (%i streams)',
  async (streams) => {
    const { testbed, clients } = await unread(streams)
    const closed = testbed.app.close()
    for (const client of clients) {
      const { body, complete } = await client.response()
      expect(body.slice(0, BOTH.length)).toBe(BOTH)
      expect(body.slice(BOTH.length)).toMatch(/^: .+\nretry: \d+\n$/)
      expect(complete).toBe(true)
    }
    await closed
    expect(testbed.closed.map(({ reason }) => reason)).toEqual(clients.map(() => 'shutdown'))
  },
)

test('and before the end that a time limit makes', async () => {
  const totalMs = 400
  const { testbed, clients } = await unread(1, false, { timeouts: { totalMs } })
  // The limit has passed when this thread gives the event loop its next turn: timers come first in it.
  const passed = performance.now() + totalMs
  while (performance.now() < passed);
  expect((await clients[0]?.response())?.body).toBe(BOTH)
  expect((await testbed.closeInfo()).reason).toBe('timeout')
})

test('an end that stands in the ring, too, is no shutdown', async () => {
  const { testbed, clients } = await unread(1, true)
  const closed = testbed.app.close()
  expect((await clients[0]?.response())?.body).toBe(BOTH)
  await closed
  expect((await testbed.closeInfo()).reason).toBe('ended')
})
