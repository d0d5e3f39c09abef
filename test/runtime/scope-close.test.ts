import { once } from 'node:events'
import { describe, expect, test } from 'vitest'
import type { ExecutorSlot } from '../../src/runtime/executor-slot.ts'
import { livingTimers } from '../support/timers.ts'
import { withResolvers } from '../support/with-resolvers.ts'
import { turns } from '../support/waiting.ts'
import { Http2Pair } from '../support/served-response.ts'
import { slotOf, scopeOf, open, run } from './scope-streams.ts'

/** Longer than any test. */
const LONG_MS = 600_000

const retryIn = (farewell: string | undefined): number => Number(/\nretry: (\d+)\n/.exec(farewell ?? '')?.[1])

/** Whether a promise has settled, looked at when whatever was about to happen has happened. */
async function isSettled(promise: Promise<unknown>): Promise<boolean> {
  let settled = false
  const note = (): void => void (settled = true)
  void promise.then(note, note)
  await turns()
  return settled
}

/** A response of a real server of HTTP/2 whose head has left, and its client's session. */
async function serveHttp2() {
  const pair = await Http2Pair.open()
  const { response, client } = await pair.request()
  client.resume()
  response.flushHeaders()
  return { response, session: pair.session }
}

describe('close', () => {
  test('resolves at once where there is nothing to end', async () => {
    await expect(scopeOf().close()).resolves.toEqual([])
  })

  test('ends each stream with a comment, and a retry beyond the grace', async () => {
    const scope = scopeOf({ graceMs: LONG_MS })
    const streams = [open(scope), open(scope)]
    const closed = scope.close()
    for (const { calls, farewells, connection } of streams) {
      expect(calls).toEqual(['begin', 'shut down'])
      expect(farewells[0]).toMatch(/^: the server is closing\nretry: \d+\n/)
      expect(retryIn(farewells[0])).toBeGreaterThanOrEqual(LONG_MS + 1_000)
      expect(retryIn(farewells[0])).toBeLessThan(2 * (LONG_MS + 1_000))
      scope.delete(connection)
    }
    await closed
  })

  test('has clients come back at different times', async () => {
    const scope = scopeOf({ graceMs: LONG_MS })
    const streams = Array.from({ length: 20 }, () => open(scope))
    const closed = scope.close()
    expect(new Set(streams.map(({ farewells }) => retryIn(farewells[0]))).size).toBeGreaterThan(1)
    for (const { connection } of streams) scope.delete(connection)
    await closed
  })

  test('keeps clients away for the longest grace of all registrations', async () => {
    const outer = scopeOf({ graceMs: 1_000 })
    const inner = scopeOf({ parent: outer, graceMs: LONG_MS })
    const stream = open(outer)
    const closed = outer.close()
    expect(retryIn(stream.farewells[0])).toBeGreaterThan(LONG_MS)
    outer.delete(stream.connection)
    await closed
    expect(inner.stats().routes).toEqual({})
  })

  test('ends the streams of all registrations before the first executor is stopped', async () => {
    const log: string[] = []
    const stopping = (name: string): ExecutorSlot =>
      slotOf(name, { close: () => void log.push(`${name}: stop`) })
    const outer = scopeOf({ slots: [stopping('outer')] })
    const inner = scopeOf({ parent: outer, slots: [stopping('inner')] })
    const innermost = scopeOf({ parent: inner, slots: [] })
    const streams = [outer, inner, innermost].map((scope, n) => ({ scope, stream: open(scope, `${n}`, log) }))
    log.length = 0
    const closed = outer.close()
    for (const { scope, stream } of streams) scope.delete(stream.connection)
    await closed
    expect(log).toEqual(['0: shut down', '1: shut down', '2: shut down', 'outer: stop', 'inner: stop'])
  })

  test("gives each executor its registration's grace, which a nested one inherits", async () => {
    const graces: Record<string, number> = {}
    const noting = (name: string): ExecutorSlot =>
      slotOf(name, { close: (graceMs) => void (graces[name] = graceMs) })
    const outer = scopeOf({ slots: [noting('outer')], graceMs: 111 })
    scopeOf({ parent: outer, slots: [noting('heir')] })
    scopeOf({ parent: outer, slots: [noting('own')], graceMs: 222 })
    await outer.close()
    await scopeOf({ slots: [noting('default')] }).close()
    expect(graces).toEqual({ outer: 111, heir: 111, own: 222, default: 5_000 })
  })

  describe('waits', () => {
    test('for its streams', async () => {
      const scope = scopeOf({ graceMs: LONG_MS })
      const [one, other] = [open(scope), open(scope)]
      const closed = scope.close()
      scope.delete(one.connection)
      expect(await isSettled(closed)).toBe(false)
      scope.delete(other.connection)
      await closed
      expect(other.calls).toEqual(['begin', 'shut down'])
    })

    test('for producers that still run, also where their streams are over', async () => {
      const slot = slotOf('inline')
      const scope = scopeOf({ slots: [slot], graceMs: LONG_MS })
      const task = run(slot)
      const closed = scope.close()
      expect(await isSettled(closed)).toBe(false)
      slot.settle(task)
      await expect(closed).resolves.toEqual([])
    })

    test('for its executors', async () => {
      const { promise, resolve } = withResolvers()
      const scope = scopeOf({ slots: [slotOf('pool', { close: () => promise })], graceMs: LONG_MS })
      const closed = scope.close()
      expect(await isSettled(closed)).toBe(false)
      resolve()
      await closed
    })

    test('for nested registrations', async () => {
      const outer = scopeOf({ graceMs: LONG_MS })
      const inner = scopeOf({ parent: outer })
      const stream = open(inner)
      const closed = outer.close()
      expect(await isSettled(closed)).toBe(false)
      inner.delete(stream.connection)
      await closed
    })

    test('for sessions of HTTP/2, whose streams are over', async () => {
      const { response, session } = await serveHttp2()
      const scope = scopeOf({ graceMs: LONG_MS })
      const stream = open(scope, 'stream', [], response)
      const goaway = once(session, 'goaway')
      const closed = scope.close()
      await goaway
      scope.delete(stream.connection)
      expect(await isSettled(closed)).toBe(false)
      response.end()
      await closed
    })
  })

  describe('when the grace is over', () => {
    test('destroys the streams that are left', async () => {
      const scope = scopeOf({ graceMs: 1 })
      const [one, other] = [open(scope), open(scope)]
      const closed = scope.close()
      scope.delete(one.connection)
      await closed
      expect(one.calls).toEqual(['begin', 'shut down'])
      expect(other.calls).toEqual(['begin', 'shut down', 'destroy'])
    })

    test('names the producers that still run, those of nested registrations too', async () => {
      const [outers, inners] = [slotOf('inline'), slotOf('pool')]
      const outer = scopeOf({ slots: [outers], graceMs: 1 })
      scopeOf({ parent: outer, slots: [inners] })
      run(outers, 'GET /a')
      run(inners, 'GET /b')
      run(inners, 'GET /c')
      await expect(outer.close()).resolves.toEqual(['inline: GET /a', 'pool: GET /b', 'pool: GET /c'])
    })

    test('breaks the sessions of HTTP/2 that are left', async () => {
      const { response, session } = await serveHttp2()
      const scope = scopeOf({ graceMs: 1 })
      open(scope, 'stream', [], response)
      const broken = once(session, 'close')
      await scope.close()
      await broken
      expect(session.destroyed).toBe(true)
    })

    test('goes on without an executor that does not come to its end', async () => {
      const { promise } = withResolvers()
      const scope = scopeOf({ slots: [slotOf('pool', { close: () => promise })], graceMs: 1 })
      await expect(scope.close()).resolves.toEqual([])
    })
  })

  test.each<[string, () => void | Promise<void>]>([
    [
      'throws',
      () => {
        throw new Error('cannot stop')
      },
    ],
    ['rejects', async () => Promise.reject(new Error('cannot stop'))],
  ])('of an executor that %s is thrown when everything else is over', async (_, close) => {
    const stopped = withResolvers()
    const failing = slotOf('failing', { close })
    const outer = scopeOf({
      slots: [failing, slotOf('other', { close: () => stopped.promise })],
      graceMs: LONG_MS,
    })
    const inner = scopeOf({ parent: outer })
    const [outers, inners] = [open(outer), open(inner)]
    const closed = outer.close()
    outer.delete(outers.connection)
    stopped.resolve()
    expect(await isSettled(closed)).toBe(false)
    inner.delete(inners.connection)
    await expect(closed).rejects.toThrow('cannot stop')
  })

  test('clears its timer: a process need not wait for the grace', async () => {
    const before = livingTimers()
    await scopeOf({ graceMs: LONG_MS }).close()
    expect(livingTimers()).toBe(before)
  })
})
