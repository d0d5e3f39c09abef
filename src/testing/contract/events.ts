/** Events: all of them, in order, each stream its own. */
import assert from 'node:assert/strict'
import { encodeComment, encodeEvent } from '../../sse/event.ts'
import { Flag, makeFlags } from '../flags.ts'
import * as producers from '../producers.ts'
import type { Promises } from './promises.ts'

export function events(promises: Promises): void {
  for (const flush of ['event', 'tick'] as const) {
    promises.any(
      `the same events in the same order, byte for byte, with flush "${flush}"`,
      async (server) => {
        const count = 500
        const path = await server.route(producers.varied, { count }, { flush })
        let expected = ''
        for (let n = 0; n < count; n++) {
          expected += encodeEvent(producers.variedEvent(n))
          if (n % 50 === 0) expected += encodeComment(`after ${n}`)
        }
        const { status, body, complete } = await server.receive(path)
        assert.deepEqual({ status, body, complete }, { status: 200, body: expected, complete: true })
        const info = await server.closed()
        assert.equal(info.reason, 'ended')
        assert.equal(info.events, count)
        assert.equal(info.bytes, Buffer.byteLength(expected))
      },
    )
  }

  promises.any('a generator is sent to its end, at the pace of the client', async (server) => {
    const count = 20_000
    const path = await server.route(producers.numbers, { count })
    const { body } = await server.receive(path)
    const expected = Array.from({ length: count }, (_, n) => `data: ${n}\n\n`).join('')
    assert.equal(body === expected, true)
  })

  promises.any('what is no event is refused with a code, and the stream lives on', async (server) => {
    const path = await server.route(producers.careless, undefined)
    const { body } = await server.receive(path)
    assert.deepEqual(body.split('\n\n').slice(0, -1), [
      'data: HF_ERR_EVENT_FIELD',
      'data: HF_ERR_EVENT_FIELD',
      'data: HF_ERR_EVENT_DATA',
      'data: HF_ERR_EVENT_DATA',
      'data: HF_ERR_EVENT_INVALID',
      'data: HF_ERR_EVENT_INVALID',
      'data: HF_ERR_EVENT_INVALID',
    ])
    assert.equal((await server.closed()).reason, 'ended')
  })

  promises.shared('streams side by side get their own events, all of them', async (server) => {
    const flags = makeFlags()
    const words = Array.from({ length: 20 }, (_, n) => `w${n}`)
    const paths = []
    for (const word of words) paths.push(await server.route(producers.holding, { flags, word }))
    await server.listen()
    const bodies = paths.map(async (path) => (await fetch(server.url(path))).text())
    Atomics.store(flags, Flag.GO, 1)
    for (const [index, body] of (await Promise.all(bodies)).entries()) {
      const expected = Array.from({ length: 20 }, (_, n) => `data: ${words[index]} ${n}\n\n`).join('')
      assert.equal(body, expected)
    }
  })
}
