/** The head leaves first, then the producer starts. */
import assert from 'node:assert/strict'
import { makeFlags } from '../flags.ts'
import * as producers from '../producers.ts'
import { SUBJECT } from './server.ts'
import type { Promises } from './promises.ts'

export function head(promises: Promises): void {
  promises.shared(
    'the head leaves before the producer starts, each event before send() returns',
    async (server) => {
      const flags = makeFlags()
      const path = await server.route(producers.blocking, { flags })
      const { body } = await server.receive(path, { flags })
      assert.equal(body, 'data: head seen\n\ndata: first seen\n\ndata: second seen\n\n')
    },
  )

  promises.any('the timings of a stream are in order', async (server) => {
    const path = await server.route(producers.numbers, { count: 1 })
    await server.receive(path)
    const { timings, executor } = await server.closed()
    const { admittedMs = NaN, headMs = NaN, startedMs = NaN, firstEventMs = NaN, closedMs } = timings
    const inOrder = [0, admittedMs, headMs, startedMs, firstEventMs, closedMs]
    assert.deepEqual(
      inOrder,
      inOrder.toSorted((a, b) => a - b),
    )
    assert.equal(executor, SUBJECT)
  })
}
