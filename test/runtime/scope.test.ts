import { describe, expect, test } from 'vitest'
import type { ExecutorSlot } from '../../src/runtime/executor-slot.ts'
import type { RouteOptions } from '../../src/runtime/options.ts'
import type { Scope } from '../../src/runtime/scope.ts'
import { slotOf, scopeOf, open } from './scope-streams.ts'

const slotAt = (scope: Scope<string>, executor: string): ExecutorSlot =>
  scope.addRoute(`GET /${executor}`, { executor }).slot

describe('a registration', () => {
  test('whose default executor is none of its own or of those around it is refused, with the names of these', () => {
    const outer = scopeOf({ slots: [slotOf('inline'), slotOf('pool')] })
    const inner = (executor: string): Scope<string> =>
      scopeOf({ parent: outer, defaults: { executor }, slots: [slotOf('pool'), slotOf('mine')] })
    expect(() => inner('none')).toThrow(
      expect.objectContaining({
        code: 'HF_ERR_EXECUTOR_UNKNOWN',
        message: expect.stringContaining("headfirst's options") as string,
      }),
    )
    expect(() => inner('none')).toThrow('inline, pool, mine')
    expect([inner('mine'), inner('inline')]).toHaveLength(2)
  })

  test('whose defaults contradict those around it is refused', () => {
    const outer = scopeOf({ defaults: { highWaterMark: 1_000 } })
    expect(() => scopeOf({ parent: outer, defaults: { maxBuffered: 999 } })).toThrow(
      expect.objectContaining({
        code: 'HF_ERR_OPTION_INVALID',
        message: expect.stringContaining("headfirst's options") as string,
      }),
    )
  })
})

describe('a route', () => {
  test('has its own options, then those of its registration, then those of the registrations around it', () => {
    const outer = scopeOf({ defaults: { heartbeatMs: 1, retryMs: 1, flush: 'tick' } })
    const inner = scopeOf({ parent: outer, defaults: { heartbeatMs: 2, retryMs: 2 }, slots: [] })
    const { options } = inner.addRoute('GET /', { heartbeatMs: 3 })
    expect(options).toMatchObject({ heartbeatMs: 3, retryMs: 2, flush: 'tick', executor: 'inline' })
  })

  test.each<[string, RouteOptions<string>, string]>([
    ['an option that is none', { none: 1 } as object, 'HF_ERR_OPTION_UNKNOWN'],
    ['an option that is wrong', { heartbeatMs: -1 }, 'HF_ERR_OPTION_INVALID'],
    ['an executor that is none', { executor: 'none' }, 'HF_ERR_EXECUTOR_UNKNOWN'],
    ['block, on an executor with no thread to spare', { overflow: 'block' }, 'HF_ERR_OPTION_INVALID'],
  ])('with %s is refused, by its name', (_, options, code) => {
    expect(() => scopeOf().addRoute('GET /it', options)).toThrow(
      expect.objectContaining({ code, message: expect.stringContaining('route GET /it') as string }),
    )
  })

  test('that may not block is refused with what it may do instead', () => {
    expect(() => scopeOf().addRoute('GET /it', { overflow: 'block' })).toThrow(
      'Option "overflow" in route GET /it must be "close", since producers on "inline" have no thread to spare, but got "block".',
    )
  })

  test('may block where its executor has threads to spare', () => {
    const scope = scopeOf({ slots: [slotOf('pool', { mayBlock: true })] })
    const { options } = scope.addRoute('GET /', { executor: 'pool', overflow: 'block' })
    expect(options.overflow).toBe('block')
  })

  test('finds its executor by name in the nearest registration', () => {
    const [outers, inners, shared] = [slotOf('same'), slotOf('same'), slotOf('shared')]
    const outer = scopeOf({ slots: [outers, shared] })
    const inner = scopeOf({ parent: outer, slots: [inners] })
    expect(slotAt(inner, 'same')).toBe(inners)
    expect(slotAt(outer, 'same')).toBe(outers)
    expect(slotAt(inner, 'shared')).toBe(shared)
  })

  test('counts on what one of the same name has counted, with other constraints', () => {
    const scope = scopeOf()
    const [one, other] = [scope.addRoute('GET /', {}), scope.addRoute('GET /', {})]
    one.stats.opened = 3
    expect(other.stats).toBe(one.stats)
    expect(scope.stats().routes).toMatchObject({ 'GET /': { opened: 3 } })
  })
})

describe('stats', () => {
  test('are of the executors and routes of this registration, but not of what answers HEAD', () => {
    const outer = scopeOf()
    const inner = scopeOf({ parent: outer, slots: [slotOf('pool', { stats: () => ({ threads: 2 }) })] })
    for (const name of ['GET /', 'HEAD /', 'GET /HEAD ']) inner.addRoute(name, { executor: 'pool' })
    const { executors, routes } = inner.stats()
    expect(executors).toEqual({ pool: expect.objectContaining({ threads: 2, running: 0 }) as unknown })
    expect(Object.keys(routes)).toEqual(['GET /', 'GET /HEAD '])
    expect(outer.stats().routes).toEqual({})
  })

  test('are a copy', () => {
    const scope = scopeOf()
    scope.addRoute('GET /', {})
    const routeIn = ({ routes }: ReturnType<typeof scope.stats>) =>
      routes['GET /'] as { opened: number; closed: object }
    const stats = routeIn(scope.stats())
    stats.opened++
    Object.assign(stats.closed, { ended: 1 })
    expect(routeIn(scope.stats())).toMatchObject({ opened: 0, closed: {} })
  })
})

describe('a client', () => {
  test('has its streams counted over all registrations, until they are over', () => {
    const outer = scopeOf()
    const inner = scopeOf({ parent: outer })
    const seats = [outer, inner, outer, inner].map((scope) => scope.seat('a', 2))
    expect(seats.map((seat) => seat?.take())).toEqual([true, true, false, false])
    expect(outer.seat('b', 2)?.take()).toBe(true)
    seats[0]?.leave()
    expect(inner.seat('a', 2)?.take()).toBe(true)
    expect(outer.seat('a', 2)?.take()).toBe(false)
  })

  test('that got no seat leaves the counts as they are', () => {
    const scope = scopeOf()
    expect(scope.seat('a', 1)?.take()).toBe(true)
    const refused = scope.seat('a', 1)
    expect(refused?.take()).toBe(false)
    refused?.leave()
    expect(scope.seat('a', 1)?.take()).toBe(false)
  })

  test('without a name, or on a route without a limit, is not counted', () => {
    const scope = scopeOf()
    expect([scope.seat(undefined, 1), scope.seat('a', undefined)]).toEqual([undefined, undefined])
  })
})

describe('a connection', () => {
  test('is begun as soon as the scope has it', () => {
    expect(open(scopeOf()).calls).toEqual(['begin'])
  })

  test('that comes while the server closes starts no producer, and gets no farewell of a stream', async () => {
    const scope = scopeOf()
    const closed = scope.close()
    const late = open(scope)
    expect(late.calls).toEqual(['shut down', 'begin'])
    expect(late.farewells).toEqual([''])
    scope.delete(late.connection)
    await closed
  })
})
