/** Cancellation: a producer whose stream is over from outside is stopped, with the reason. */
import assert from 'node:assert/strict'
import { Flag, makeFlags, untilRaised } from '../flags.ts'
import * as producers from '../producers.ts'
import type { Promises } from './promises.ts'

export function cancellation(promises: Promises): void {
  promises.any(
    'a producer whose client leaves is done soon, and its task no longer counts',
    async (server) => {
      const path = await server.route(producers.untilClosed, undefined)
      const observer = await server.observe(path)
      await untilRaised(observer.flags, Flag.EVENTS)
      assert.equal(server.load().running, 1)
      observer.leave()
      assert.equal((await server.closed()).reason, 'client')
      await server.idle()
    },
  )

  promises.any('a shutdown ends producers, and their streams after whole events', async (server) => {
    const path = await server.route(producers.untilClosed, undefined)
    const observer = await server.observe(path)
    await untilRaised(observer.flags, Flag.EVENTS)
    await server.stop()
    const { body, complete } = await observer.over()
    assert.match(body, /^(data: \d+\n\n)+: .+\nretry: \d+\n$/)
    assert.equal(complete, true)
    assert.equal((await server.closed()).reason, 'shutdown')
    await server.idle()
    assert.deepEqual(
      server.lines.filter(({ msg }) => msg === 'producers still run after the grace of the shutdown'),
      [],
    )
  })

  for (const [promise, producer, seen] of [
    ['a generator is returned when the client leaves, and its finally runs', producers.endless, Flag.FINALLY],
    [
      'a async generator is returned when the client leaves, and its finally runs',
      producers.endlessAsync,
      Flag.FINALLY,
    ],
    ['the signal aborts with the reason when the client leaves', producers.awaitingSignal, Flag.SEEN],
  ] as const) {
    promises.shared(promise, async (server) => {
      const flags = makeFlags()
      const path = await server.route(producer, { flags, reason: 'client' }, { highWaterMark: 1_024 })
      const observer = await server.observeFirst(path, flags)
      observer.leave()
      await untilRaised(flags, seen)
      assert.equal((await server.closed()).reason, 'client')
    })
  }

  promises.shared('a shutdown ends open streams with a farewell, and the signal says so', async (server) => {
    const flags = makeFlags()
    const path = await server.route(producers.awaitingSignal, { flags, reason: 'shutdown' })
    const observer = await server.observeFirst(path, flags)
    await server.stop()
    const { body, complete } = await observer.over()
    assert.match(body, /^data: waiting\n\n: .+\nretry: \d+\n$/)
    assert.equal(complete, true)
    assert.equal((await server.closed()).reason, 'shutdown')
    await untilRaised(flags, Flag.SEEN)
  })
}
