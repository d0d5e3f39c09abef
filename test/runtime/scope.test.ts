import { once } from 'node:events'
import { IncomingMessage, ServerResponse } from 'node:http'
import { Socket } from 'node:net'
import { describe, expect, test } from 'vitest'
import type { Connection } from '../../src/runtime/connection.ts'
import { ExecutorSlot } from '../../src/runtime/executor-slot.ts'
import type { Executor, Task } from '../../src/runtime/executor.ts'
import type { RouteOptions } from '../../src/runtime/options.ts'
import { Scope } from '../../src/runtime/scope.ts'
import { livingTimers } from '../support/timers.ts'
import { withResolvers } from '../support/with-resolvers.ts'
import { turns } from '../support/waiting.ts'
import { Http2Pair } from '../support/served-response.ts'

const slotOf = (name: string, executor: Partial<Executor> = {}): ExecutorSlot =>
  new ExecutorSlot(name, { run: () => {}, ...executor })

/** Longer than any test. */
const LONG_MS = 600_000

interface Setup {
  parent?: Scope<string>
  defaults?: RouteOptions<string>
  slots?: ExecutorSlot[]
  graceMs?: number
}

function scopeOf({ parent, defaults = {}, slots = [slotOf('inline')], graceMs }: Setup = {}): Scope<string> {
  const scope = new Scope(parent, defaults, slots, graceMs)
  parent?.adopt(scope)
  return scope
}

/** A connection, as its scope sees it, and all that this has called, in order. */
class Stream {
  readonly calls: string[] = []
  readonly farewells: string[] = []
  readonly response: ServerResponse
  countedFor: string | undefined
  readonly #name: string
  readonly #log: string[]

  /** @param log where several write down what is called */
  constructor(name = 'stream', log: string[] = [], response?: ServerResponse) {
    this.#name = name
    this.#log = log
    this.response = response ?? new ServerResponse(new IncomingMessage(new Socket()))
  }

  #note(call: string): void {
    this.calls.push(call)
    this.#log.push(`${this.#name}: ${call}`)
  }

  begin(): void {
    this.#note('begin')
  }

  shutDown(farewell: string): void {
    this.farewells.push(farewell)
    this.#note('shut down')
  }

  destroy(): void {
    this.#note('destroy')
  }

  /** What a scope takes: it uses nothing else of a connection. */
  get connection(): Connection<string> {
    return this as never
  }
}

/** A stream that the scope has. */
function open(scope: Scope<string>, ...args: ConstructorParameters<typeof Stream>): Stream {
  const stream = new Stream(...args)
  scope.add(stream.connection)
  return stream
}

/** A task that runs on a slot. */
function run(slot: ExecutorSlot, route = 'GET /'): Task {
  const task = { route } as Task
  void slot.admit(task)
  slot.start(task)
  return task
}

const retryIn = (farewell: string | undefined): number => Number(/\nretry: (\d+)\n/.exec(farewell ?? '')?.[1])

/** Whether a promise has settled, looked at when whatever was about to happen has happened. */
async function isSettled(promise: Promise<unknown>): Promise<boolean> {
  let settled = false
  const note = (): void => void (settled = true)
  void promise.then(note, note)
  await turns()
  return settled
}

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

const slotAt = (scope: Scope<string>, executor: string): ExecutorSlot =>
  scope.addRoute(`GET /${executor}`, { executor }).slot

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
    expect([outer.enter('a', 2), inner.enter('a', 2), outer.enter('a', 2), inner.enter('a', 2)]).toEqual([
      true,
      true,
      false,
      false,
    ])
    expect(outer.enter('b', 2)).toBe(true)
    const stream = open(inner)
    stream.countedFor = 'a'
    inner.delete(stream.connection)
    expect([outer.enter('a', 2), outer.enter('a', 2)]).toEqual([true, false])
  })

  test('that was not counted leaves the counts as they are', () => {
    const scope = scopeOf()
    scope.enter('a', 1)
    const stream = open(scope)
    scope.delete(stream.connection)
    expect(scope.enter('a', 1)).toBe(false)
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
      const told = once(session, 'goaway')
      const closed = scope.close()
      await told
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

/** A response of a real server of HTTP/2 whose head has left, and its client's session. */
async function serveHttp2() {
  const pair = await Http2Pair.open()
  const { response, client } = await pair.request()
  client.resume()
  response.flushHeaders()
  return { response, session: pair.session }
}
