/** Ends: by itself, by an error, by its own close(). */
import assert from 'node:assert/strict'
import { Flag, makeFlags, untilRaised } from '../flags.ts'
import * as producers from '../producers.ts'
import type { Promises } from './promises.ts'

export function ends(promises: Promises): void {
  for (const producer of [producers.throwing, producers.throwingAtOnce]) {
    promises.any(
      `an error of the producer (${producer === producers.throwing ? 'later' : 'at once'}) ends the stream and leaks nothing`,
      async (server) => {
        const path = await server.route(producer, undefined)
        const { status, body, complete } = await server.receive(path)
        assert.deepEqual(
          { status, body, complete },
          { status: 200, body: 'data: before\n\n', complete: true },
        )
        const { reason, error } = await server.closed()
        assert.equal(reason, 'error')
        assert.equal((error as Error).message, 'secret')
        assert.equal((error as Error).name, 'TypeError')
      },
    )
  }

  promises.any('onError may send one last event, after those of the producer', async (server) => {
    const path = await server.route(producers.throwing, undefined, {
      onError: (error, stream) => stream.send({ event: 'failure', data: (error as { code: string }).code }),
    })
    const { body } = await server.receive(path)
    assert.equal(body, 'data: before\n\nevent: failure\ndata: E_SECRET\n\n')
    assert.equal((await server.closed()).reason, 'error')
  })

  promises.shared('a producer that returns nothing goes on until it closes its stream', async (server) => {
    const flags = makeFlags()
    const path = await server.route(producers.subscribing, { flags, lastWord: 'bye' })
    const { body, complete } = await server.receive(path, { flags })
    assert.equal(body, 'data: tick 1\n\ndata: tick 2\n\ndata: tick 3\n\ndata: bye\n\n')
    assert.equal(complete, true)
    await untilRaised(flags, Flag.SEEN)
    assert.equal((await server.closed()).reason, 'ended')
  })
}
