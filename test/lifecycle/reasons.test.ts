/** Every reason of a close, on every executor that it can come to. The other tests look at each of them closer. */
import { describe, expect, test } from 'vitest'
import type { CloseReason, PortableProducer, SseRouteOptions } from '../../src/index.ts'
import { Flag, makeFlags, untilRaised } from '../../src/testing/flags.ts'
import type { RawClient } from '../support/raw-client.ts'
import { Testbed } from '../support/testbed.ts'
import * as failing from '../support/producers/failing-sources.ts'
import { turns } from '../support/waiting.ts'
import { EXECUTORS } from '../support/executors.ts'
import * as dying from '../support/producers/dying.ts'
import * as endless from '../support/producers/endless.ts'
import * as flooding from '../support/producers/flooding.ts'
import * as plain from '../support/producers/plain.ts'
import { makeReason, reasonIn } from '../support/producers/flagged.ts'

interface Way {
  producer: PortableProducer<never>
  options?: SseRouteOptions
  /** What makes it happen, once the client has its head. */
  strike?: (client: RawClient, testbed: Testbed) => unknown
  /** The code of `info.error`. */
  code?: string
  /** Whether the response comes to its end, or breaks off. */
  complete: boolean
  /** Whether the producer is told by its signal: it runs on. */
  told?: boolean
  executors?: readonly string[]
}

const WAYS: Record<CloseReason, Way> = {
  ended: { producer: plain.count, complete: true },
  client: {
    producer: endless.promise,
    strike: async (client) => {
      await client.including('data: 0')
      client.destroy()
    },
    complete: false,
    told: true,
  },
  error: { producer: failing.later, code: 'E_SECRET', complete: true },
  timeout: {
    producer: endless.promise,
    // From the first event on: the producer has begun by then.
    options: { timeouts: { idleMs: 20 } },
    code: 'HF_ERR_STREAM_TIMEOUT',
    complete: true,
    told: true,
  },
  overflow: {
    producer: flooding.overflows,
    options: { highWaterMark: 65_536, maxBuffered: 65_536 },
    strike: (client) => client.socket.pause(),
    complete: false,
    told: true,
  },
  shutdown: {
    producer: endless.promise,
    strike: async (client, { app }) => {
      await client.including('data: 0')
      await app.close()
    },
    complete: true,
    told: true,
  },
  // Only a thread can be lost.
  lost: {
    producer: dying.exits,
    code: 'HF_ERR_THREAD_LOST',
    complete: true,
    executors: ['workers'],
  },
}

const rows = Object.entries(WAYS).flatMap(([reason, way]) =>
  (way.executors ?? EXECUTORS).map((executor) => ({ reason, executor, way })),
)

describe.each(rows)('a stream that is closed as $reason on $executor', ({ reason, executor, way }) => {
  test('says so once: to onClose, to its producer, in the counts, and to its client', async () => {
    const { producer, options = {}, strike, code, complete, told = false } = way
    const testbed = await Testbed.everywhere({ executor, graceMs: 10_000 })
    const input = { flags: makeFlags(), reason: makeReason(), events: 1 }
    testbed.route('/', producer as PortableProducer<object>, input, options)
    const client = await testbed.ask('/')
    await client.head()
    await strike?.(client, testbed)

    const info = await testbed.closeInfo()
    expect({ reason: info.reason, executor: info.executor }).toEqual({ reason, executor })
    expect((info.error as { code?: string } | undefined)?.code).toBe(code)
    if (told) await untilRaised(input.flags, Flag.SEEN)
    expect(reasonIn(input.reason)).toBe(told ? reason : '')
    client.socket.resume()
    await (complete ? client.response() : client.closed())
    expect(client.responses[0]?.complete).toBe(complete)

    await testbed.idle()
    // Whatever else may close it: the client leaves, and the server.
    client.destroy()
    await client.closed()
    await testbed.app.close()
    await turns()
    expect(testbed.closed).toHaveLength(1)
    expect(input.flags[Flag.SEEN]).toBe(told ? 1 : 0)
    const { routes, executors } = testbed.app.sse.stats()
    expect(routes['GET /']).toMatchObject({ open: 0, opened: 1, closed: { [reason]: 1 } })
    expect(Object.keys(routes['GET /']?.closed ?? {})).toEqual([reason])
    expect(executors[executor]).toMatchObject({
      running: 0,
      waiting: 0,
      admitted: 1,
      refused: 0,
      lost: reason === 'lost' ? 1 : 0,
    })
  })
})
