import { describe, expect, test } from 'vitest'
import headfirst, { type SseRouteOptions, type StreamTimeoutError, type TimeLimit } from '../../src/index.ts'
import { makeFlags } from '../../src/testing/flags.ts'
import { Testbed } from '../support/testbed.ts'
import * as producers from './timeouts-producers.ts'
import { LONG_MS } from './timeouts-server.ts'

const defaults = (timeouts: SseRouteOptions['timeouts']): SseRouteOptions =>
  timeouts === undefined ? {} : { timeouts }

describe('limits that a route does not set', () => {
  type Layers = Record<'outer' | 'inner' | 'route', SseRouteOptions['timeouts']>

  /** Which limit closes a stream of a route in a nested registration. */
  async function struck({ outer, inner, route }: Layers, producer: typeof producers.once): Promise<unknown> {
    const testbed = await Testbed.make(defaults(outer))
    await testbed.app.register(async (app) => {
      await app.register(headfirst, defaults(inner))
      app.get('/', { sse: defaults(route) }, async (_, reply) => reply.sse(producer, { flags: makeFlags() }))
    })
    await testbed.request('/')
    return ((await testbed.closeInfo()).error as StreamTimeoutError).timeout
  }

  const { silent, once } = producers
  const none = undefined

  test.each<[string, Layers, typeof once, TimeLimit]>([
    ['are the plugin’s', { outer: { idleMs: 20 }, inner: none, route: none }, once, 'idleMs'],
    [
      'each by itself',
      { outer: { idleMs: 20 }, inner: none, route: { firstEventMs: LONG_MS } },
      once,
      'idleMs',
    ],
    [
      'of all registrations around it',
      { outer: { totalMs: 40 }, inner: { idleMs: LONG_MS }, route: { firstEventMs: LONG_MS } },
      once,
      'totalMs',
    ],
    [
      'of the inner one where both set it',
      { outer: { idleMs: 20, firstEventMs: LONG_MS }, inner: { firstEventMs: 20 }, route: none },
      silent,
      'firstEventMs',
    ],
    [
      'unless it sets them to 0',
      { outer: { firstEventMs: 20, totalMs: 80 }, inner: none, route: { firstEventMs: 0 } },
      silent,
      'totalMs',
    ],
    [
      'also where it has them as undefined',
      { outer: { firstEventMs: 20 }, inner: {}, route: { firstEventMs: undefined } as never },
      silent,
      'firstEventMs',
    ],
  ])('%s', async (_, layers, producer, limit) => {
    expect(await struck(layers, producer)).toBe(limit)
  })
})
