/** Backpressure: a client that falls behind holds its producer back, up to a limit. */
import assert from 'node:assert/strict'
import { Flag, makeFlags, untilRaised } from '../flags.ts'
import * as producers from '../producers.ts'
import type { Promises } from './promises.ts'

export function backpressure(promises: Promises): void {
  promises.shared(
    'a client that does not read holds its producer back, and gets everything in the end',
    async (server) => {
      const flags = makeFlags()
      const [count, size] = [400, 65_536]
      const path = await server.route(producers.pacing, { flags, count, size }, { maxBuffered: 4_194_304 })
      const observer = await server.observe(path, { flags, paused: true })
      await untilRaised(flags, Flag.SEEN)
      observer.read()
      const { body, complete } = await observer.over()
      assert.equal(complete, true)
      const ids = [...body.matchAll(/^id: (\d+)$/gm)].map(([, id]) => Number(id))
      assert.deepEqual(
        ids,
        Array.from({ length: count }, (_, n) => n),
      )
      assert.equal(body.length, ids.join('').length + count * ('id: \ndata: \n\n'.length + size))
      assert.equal((await server.closed()).reason, 'ended')
    },
  )

  promises.shared('a stream whose client is too far behind is closed as overflow', async (server) => {
    const flags = makeFlags()
    const path = await server.route(producers.flooding, { flags }, { maxBuffered: 262_144 })
    await server.observe(path, { flags, paused: true })
    await untilRaised(flags, Flag.FINALLY)
    assert.equal((await server.closed()).reason, 'overflow')
  })
}
