import Fastify, { type FastifyInstance, type FastifyPluginAsync } from 'fastify'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, onTestFinished, test } from 'vitest'
import headfirst, {
  deferred,
  inline,
  producer,
  type EventStream,
  type Executor,
  type HeadfirstOptions,
} from '../../src/index.ts'
import { get } from '../support/raw-client.ts'
import { Testbed } from '../support/testbed.ts'
import { until } from '../../src/testing/flags.ts'
import { runScript } from '../support/processes.ts'

/** Without its types, which would say something else of `reply.sse`. */
const fastifySse = createRequire(import.meta.url)('@fastify/sse') as FastifyPluginAsync

const one = async (stream: EventStream): Promise<void> => {
  stream.send('one')
}

/** What a function rejects with, or throws. */
async function errorOf(act: () => unknown): Promise<Error & { code?: string }> {
  try {
    await act()
  } catch (error) {
    return error as Error
  }
  return expect.unreachable('nothing was thrown')
}

const registering = async (options: unknown): Promise<Error & { code?: string }> =>
  errorOf(async () => Fastify().register(headfirst, options as HeadfirstOptions))

const routing = async (sse: unknown): Promise<Error & { code?: string }> => {
  const app = Fastify()
  await app.register(headfirst)
  return errorOf(() => app.get('/report', { sse: sse as true }, async (_, reply) => reply.sse(one)))
}

/** Each option with what it must be, and what it must not. */
const wrong: [option: string, expected: RegExp, values: unknown[]][] = [
  ['executor', /a name/, ['', 5, null, {}, inline()]],
  ['flush', /'event' or 'tick'/, ['now', '', true, null]],
  ['heartbeatMs', /a whole number from 0 to 2147483647/, [-1, 0.5, NaN, Infinity, 2 ** 31, '15000', null]],
  ['retryMs', /a whole number from 0/, [-1, 0.5, NaN, Infinity, 2 ** 53, '5', null, [1, 2]]],
  ['timeouts', /an object of firstEventMs, idleMs and totalMs/, [5, 'idle', null, true, [], () => {}]],
  ['highWaterMark', /a whole number from 0/, [-1, 0.5, NaN, Infinity, '5', null]],
  ['maxBuffered', /a whole number from 1/, [0, -1, 0.5, NaN, Infinity, '5', null]],
  ['overflow', /'close'/, ['drop', '', true, null]],
  ['context', /a function/, ['id', {}, null, true]],
  ['refusal', /'status' or 'retry'/, ['503', '', true, null]],
  ['serializer', /a function/, ['JSON', {}, null, true]],
  ['onOpen', /a function/, ['log', {}, null, true]],
  ['onClose', /a function/, ['log', {}, null, true]],
  ['onError', /a function/, ['log', {}, null, true]],
]

describe('options', () => {
  test.each(
    wrong.flatMap(([option, expected, values]) => values.map((value) => [option, value, expected] as const)),
  )('%s: %o is refused, in a route and in the plugin', async (option, value, expected) => {
    for (const [error, place] of [
      [await routing({ [option]: value }), 'route GET /report'],
      [await registering({ [option]: value }), "headfirst's options"],
    ] as const) {
      expect(error).toMatchObject({ code: 'HF_ERR_OPTION_INVALID' })
      expect(error).toBeInstanceOf(TypeError)
      expect(error.message).toMatch(`Option "${option}" in ${place} must be `)
      expect(error.message).toMatch(expected)
    }
  })

  test.each([
    ['heartbeatMs', 0],
    ['heartbeatMs', 2 ** 31 - 1],
    ['retryMs', { min: 0, max: 2 ** 53 - 1 }],
    ['timeouts', {}],
    ['timeouts', { firstEventMs: 1, idleMs: 0, totalMs: undefined }],
    ['timeouts', { firstEventMs: 2 ** 31 - 1, idleMs: 2 ** 31 - 1, totalMs: 2 ** 31 - 1 }],
    ['retryMs', 0],
    ['highWaterMark', 0],
    ['executor', 'deferred'],
    ['flush', 'tick'],
    ['onOpen', undefined],
  ])('%s: %o is fine', async (option, value) => {
    const app = Fastify()
    await app.register(headfirst, { [option]: value })
    app.get('/', { sse: { [option]: value } }, async (_, reply) => reply.sse(one))
    await app.ready()
    expect(Object.keys(app.sse.stats().routes)).toEqual(['GET /'])
  })

  const long = 2 ** 31
  test.each<[string, object, code: string, message: string]>([
    [
      'retryMs',
      { min: 5 },
      'INVALID',
      '"max" in the retryMs of % must be a whole number from 0, but got undefined',
    ],
    [
      'retryMs',
      { max: 5 },
      'INVALID',
      '"min" in the retryMs of % must be a whole number from 0, but got undefined',
    ],
    ['retryMs', {}, 'INVALID', '"min" in the retryMs of % must be a whole number from 0, but got undefined'],
    [
      'retryMs',
      { min: -1, max: 5 },
      'INVALID',
      '"min" in the retryMs of % must be a whole number from 0, but got -1',
    ],
    ['retryMs', { min: 1, max: 2.5 }, 'INVALID', '"max" in the retryMs of % must be a whole number from 0'],
    ['retryMs', { min: '1', max: 2 }, 'INVALID', '"min" in the retryMs of % must be a whole number from 0'],
    [
      'retryMs',
      { min: 6, max: 5 },
      'INVALID',
      '"max" in the retryMs of % must be at least min (6), but got 5',
    ],
    ['retryMs', { min: 1, max: 5, jitter: 1 }, 'UNKNOWN', '"jitter" in the retryMs of %. Use one of these'],
    [
      'timeouts',
      { idle: 5 },
      'UNKNOWN',
      '"idle" in the timeouts of %. Use one of these, or leave it out: firstEventMs',
    ],
    ...['firstEventMs', 'idleMs', 'totalMs'].flatMap((limit) =>
      [-1, 0.5, NaN, Infinity, long, '5', null, {}].map((value): [string, object, string, string] => [
        'timeouts',
        { [limit]: value },
        'INVALID',
        `"${limit}" in the timeouts of % must be a whole number from 0 to 2147483647`,
      ]),
    ),
  ])('%s: %o is refused, in a route and in the plugin', async (option, value, code, message) => {
    for (const [error, place] of [
      [await routing({ [option]: value }), 'route GET /report'],
      [await registering({ [option]: value }), "headfirst's options"],
    ] as const) {
      expect(error).toMatchObject({ code: `HF_ERR_OPTION_${code}` })
      expect(error.message).toMatch(message.replace('%', place))
    }
  })

  test('overflow: block is refused where producers have no thread to spare', async () => {
    const error = await routing({ overflow: 'block' })
    expect(error).toMatchObject({ code: 'HF_ERR_OPTION_INVALID' })
    expect(error.message).toMatch('"inline" have no thread to spare')
    const app = Fastify()
    await app.register(headfirst)
    app.get('/', { sse: { overflow: 'block', executor: 'workers' } }, async (_, reply) => reply.sse(one))
    expect(Object.keys(app.sse.stats().routes)).toEqual(['GET /'])
  })

  test('of a route that is unknown is refused, with those that are known', async () => {
    const error = await routing({ heartbeat: 5 })
    expect(error).toMatchObject({ code: 'HF_ERR_OPTION_UNKNOWN' })
    expect(error.message).toMatch('Unknown option "heartbeat" in route GET /report.')
    for (const [option] of wrong) expect(error.message).toMatch(option)
  })

  test('of the plugin that is unknown is refused, with those that are known', async () => {
    const error = await registering({ executorz: {} })
    expect(error).toMatchObject({ code: 'HF_ERR_OPTION_UNKNOWN' })
    expect(error.message).toMatch('Unknown option "executorz" in headfirst\'s options.')
    for (const option of [...wrong.map(([name]) => name), 'executors', 'graceMs']) {
      expect(error.message).toMatch(option)
    }
  })

  test.each(['__proto__', 'constructor', 'toString'])('%s is none', async (option) => {
    const options = Object.defineProperty({}, option, { value: 5, enumerable: true })
    expect(await routing(options)).toMatchObject({ code: 'HF_ERR_OPTION_UNKNOWN' })
    expect(await registering(options)).toMatchObject({ code: 'HF_ERR_OPTION_UNKNOWN' })
  })

  test.each([-1, 0.5, '5', null, 2 ** 31])('graceMs: %o is refused', async (graceMs) => {
    const error = await registering({ graceMs })
    expect(error).toMatchObject({ code: 'HF_ERR_OPTION_INVALID' })
    expect(error.message).toMatch('Option "graceMs" in headfirst\'s options must be a whole number')
  })

  test.each([null, 5, 'yes', [], [{}], () => true])('sse: %o is refused', async (sse) => {
    const error = await routing(sse)
    expect(error).toMatchObject({ code: 'HF_ERR_OPTION_INVALID' })
    expect(error.message).toMatch('Option "sse" in route GET /report must be')
  })

  test('sse: false is a route without streams', async () => {
    const testbed = await Testbed.make()
    testbed.app.get('/', { sse: false }, async (_, reply) => reply.sse(one))
    expect(JSON.parse((await testbed.request('/')).body)).toMatchObject({ code: 'HF_ERR_ROUTE_WITHOUT_SSE' })
  })

  test('limits that contradict each other are refused, also when they come from two places', async () => {
    const alone = await routing({ highWaterMark: 2_000, maxBuffered: 1_000 })
    expect(alone).toMatchObject({ code: 'HF_ERR_OPTION_INVALID' })
    expect(alone.message).toMatch(
      /"maxBuffered" in route GET \/report must be at least highWaterMark \(2000\)/,
    )
    expect(await registering({ highWaterMark: 2_000, maxBuffered: 1_000 })).toMatchObject({
      code: 'HF_ERR_OPTION_INVALID',
    })

    const app = Fastify()
    await app.register(headfirst, { highWaterMark: 2_000 })
    expect(
      await errorOf(() => app.get('/', { sse: { maxBuffered: 1_000 } }, async (_, reply) => reply.sse(one))),
    ).toMatchObject({ code: 'HF_ERR_OPTION_INVALID' })
  })

  test('are copied: what is changed later has no effect', async () => {
    const testbed = await Testbed.make()
    const options = { retryMs: 5 }
    testbed.app.get('/', { sse: options }, async (_, reply) => reply.sse(one))
    options.retryMs = 6
    expect((await testbed.request('/')).body).toBe('retry: 5\ndata: one\n\n')
  })

  test('of a route win over those of the plugin', async () => {
    const testbed = await Testbed.make({ retryMs: 1, executor: 'deferred' })
    testbed.app.get('/outer', { sse: true }, async (_, reply) => reply.sse(one))
    testbed.app.get('/own', { sse: { retryMs: 2, executor: 'microtask' } }, async (_, reply) =>
      reply.sse(one),
    )
    testbed.app.get('/absent', { sse: { retryMs: undefined } as never }, async (_, reply) => reply.sse(one))
    expect((await testbed.request('/outer')).body).toBe('retry: 1\ndata: one\n\n')
    expect((await testbed.request('/own')).body).toBe('retry: 2\ndata: one\n\n')
    expect((await testbed.request('/absent')).body).toBe('retry: 1\ndata: one\n\n')
    await testbed.idle()
    expect(testbed.closed.map(({ executor }) => executor)).toEqual(['deferred', 'microtask', 'deferred'])
  })
})

describe('executors', () => {
  test('an unknown one is refused, with those that exist', async () => {
    const app = Fastify()
    await app.register(headfirst, { executors: { reports: inline() } })
    const error = await errorOf(() =>
      app.get('/report', { sse: { executor: 'report' } }, async (_, reply) => reply.sse(one)),
    )
    expect(error).toMatchObject({ code: 'HF_ERR_EXECUTOR_UNKNOWN' })
    expect(error.message).toMatch('Unknown executor "report" in route GET /report.')
    expect(error.message).toMatch('inline, microtask, deferred, workers, reports')
  })

  test('an unknown default is refused', async () => {
    const error = await registering({ executor: 'nope' })
    expect(error).toMatchObject({ code: 'HF_ERR_EXECUTOR_UNKNOWN' })
    expect(error.message).toMatch("in headfirst's options")
  })

  test.each(['constructor', '__proto__', 'hasOwnProperty'])('%s is none', async (executor) => {
    expect(await routing({ executor })).toMatchObject({ code: 'HF_ERR_EXECUTOR_UNKNOWN' })
  })

  test.each([null, undefined, 5, 'inline', {}, { run: true }, inline, () => {}, [inline()]])(
    '%o is none',
    async (executor) => {
      const error = await registering({ executors: { mine: executor } })
      expect(error).toMatchObject({ code: 'HF_ERR_EXECUTOR_INVALID' })
      expect(error.message).toMatch('Executor "mine" must be an object with a method run(task)')
    },
  )

  test.each(['admit', 'prepare', 'cancel', 'stats', 'close'])(
    'one whose %s is no method is refused',
    async (method) => {
      const error = await registering({ executors: { mine: { run: () => {}, [method]: true } } })
      expect(error).toMatchObject({ code: 'HF_ERR_EXECUTOR_INVALID' })
      expect(error.message).toMatch(method)
    },
  )

  test.each([null, 5, 'inline', () => {}, [inline()]])('executors: %o is refused', async (executors) => {
    const error = await registering({ executors })
    expect(error).toMatchObject({ code: 'HF_ERR_OPTION_INVALID' })
    expect(error.message).toMatch('Option "executors" in headfirst\'s options must be an object of executors')
  })

  test('one belongs to one registration', async () => {
    const shared = deferred()
    await Fastify().register(headfirst, { executors: { mine: shared } })
    const error = await registering({ executors: { yours: shared } })
    expect(error).toMatchObject({ code: 'HF_ERR_EXECUTOR_TAKEN' })
    expect(error.message).toMatch('Executor "yours"')
  })

  test('one that stands in a registration that failed is free again', async () => {
    const mine = deferred()
    expect(await registering({ executors: { mine }, executor: 'nope' })).toMatchObject({
      code: 'HF_ERR_EXECUTOR_UNKNOWN',
    })
    await Fastify().register(headfirst, { executors: { mine } })
  })

  test('one under a built-in’s name replaces it', async () => {
    const ran: string[] = []
    const mine: Executor = {
      run(task) {
        ran.push(`${task.executor} ${task.route}`)
        void task.produce()
      },
    }
    const testbed = await Testbed.make({ executors: { inline: mine } })
    testbed.app.get('/:id', { sse: true }, async (_, reply) => reply.sse(one))
    expect((await testbed.request('/5')).body).toBe('data: one\n\n')
    expect(ran).toEqual(['inline GET /:id'])
  })
})

describe('registered more than once', () => {
  test('in one scope is refused', async () => {
    const app = Fastify()
    await app.register(headfirst)
    const error = await errorOf(async () => app.register(headfirst))
    expect(error).toMatchObject({ code: 'HF_ERR_ALREADY_REGISTERED' })
  })

  test('a nested one wins inside, and inherits executors and defaults', async () => {
    const testbed = await Testbed.make({ executor: 'reports', executors: { reports: inline() }, retryMs: 1 })
    const { app } = testbed
    await app.register(async (scope) => {
      await scope.register(headfirst, {
        retryMs: 2,
        executors: { ticks: deferred() },
        onClose: testbed.record,
      })
      scope.get('/inner', { sse: true }, async (_request, reply) => reply.sse(one))
      scope.get('/ticks', { sse: { executor: 'ticks' } }, async (_request, reply) => reply.sse(one))
      expect(scope.sse).not.toBe(app.sse)
      await scope.register(async (below) => {
        below.get('/below', { sse: { executor: 'ticks' } }, async (_request, reply) => reply.sse(one))
        expect(below.sse).toBe(scope.sse)
      })
    })
    app.get('/outer', { sse: true }, async (_request, reply) => reply.sse(one))

    expect((await testbed.request('/inner')).body).toBe('retry: 2\ndata: one\n\n')
    expect((await testbed.request('/ticks')).body).toBe('retry: 2\ndata: one\n\n')
    expect((await testbed.request('/below')).body).toBe('retry: 2\ndata: one\n\n')
    expect((await testbed.request('/outer')).body).toBe('retry: 1\ndata: one\n\n')
    await until(() => testbed.closed.length === 4, 'all to be closed')
    expect(testbed.closed.map(({ executor }) => executor)).toEqual(['reports', 'ticks', 'ticks', 'reports'])
    expect(Object.keys(app.sse.stats().routes)).toEqual(['GET /outer'])
    expect(app.sse.stats().executors).toHaveProperty('reports')
    expect(app.sse.stats().executors).not.toHaveProperty('ticks')
  })

  test('an inner executor is unknown outside, an outer one known inside', async () => {
    const app = Fastify()
    await app.register(headfirst, { executors: { outer: inline() } })
    await app.register(async (scope) => {
      await scope.register(headfirst, { executors: { inner: inline() } })
      scope.get('/', { sse: { executor: 'outer' } }, async (_, reply) => reply.sse(one))
      const error = await errorOf(() =>
        scope.get('/other', { sse: { executor: 'nope' } }, async (_, reply) => reply.sse(one)),
      )
      expect(error.message).toMatch('inline, microtask, deferred, workers, outer, inner')
    })
    expect(
      await errorOf(() =>
        app.get('/outer', { sse: { executor: 'inner' } }, async (_, reply) => reply.sse(one)),
      ),
    ).toMatchObject({ code: 'HF_ERR_EXECUTOR_UNKNOWN' })
  })

  test('in sibling scopes each is its own', async () => {
    const testbed = new Testbed()
    for (const [prefix, retryMs] of [
      ['/a', 1],
      ['/b', 2],
    ] as const) {
      await testbed.app.register(
        async (scope) => {
          await scope.register(headfirst, { retryMs })
          scope.get('/x', { sse: true }, async (_, reply) => reply.sse(one))
          scope.get('/stats', async () => scope.sse.stats().routes)
        },
        { prefix },
      )
    }
    expect((await testbed.request('/a/x')).body).toBe('retry: 1\ndata: one\n\n')
    expect((await testbed.request('/b/x')).body).toBe('retry: 2\ndata: one\n\n')
    expect(Object.keys(JSON.parse((await testbed.request('/a/stats')).body) as object)).toEqual(['GET /a/x'])
  })

  test('a shutdown ends the streams of all of them at once, whoever owns their executor', async () => {
    const order: string[] = []
    const streams: EventStream[] = []
    // It closes when its stream has ended, as a pool of threads does.
    let cancelled: () => void
    const idle = new Promise<void>((resolve) => (cancelled = resolve))
    const own: Executor = {
      run: (task) => {
        void task.produce()
      },
      cancel: () => cancelled(),
      close: async () => idle,
    }
    const testbed = await Testbed.make({ executor: 'own', executors: { own }, graceMs: 600_000 })
    await testbed.app.register(async (scope) => {
      await scope.register(headfirst, { onClose: testbed.record, graceMs: 600_000 })
      scope.get('/inner', { sse: true }, async (_, reply) =>
        reply.sse((stream: EventStream) => {
          streams.push(stream)
          stream.signal.addEventListener('abort', () => order.push('aborted'))
          stream.send('open')
        }),
      )
    })
    const client = await testbed.connect()
    client.send(get('/inner'))
    await client.including('open')
    await testbed.app.close()
    expect(order).toEqual(['aborted'])
    expect((await testbed.closeInfo()).reason).toBe('shutdown')
  })
})

describe('the place of a route', () => {
  test('a child scope and its prefix', async () => {
    const testbed = await Testbed.make()
    await testbed.app.register(
      async (scope) => {
        scope.get('/report/:id', { sse: true }, async (_, reply) => reply.sse(one))
      },
      { prefix: '/api' },
    )
    expect((await testbed.request('/api/report/5')).body).toBe('data: one\n\n')
    await testbed.idle()
    expect(testbed.app.sse.stats().routes).toMatchObject({
      'GET /api/report/:id': { open: 0, opened: 1, closed: { ended: 1 }, events: 1, bytes: 11, dropped: 0 },
    })
    expect(testbed.app.sse.stats().routes).not.toHaveProperty('HEAD /api/report/:id')
  })

  test('several methods, and the same path twice', async () => {
    const testbed = await Testbed.make()
    testbed.app.route({
      method: ['GET', 'POST'],
      url: '/',
      sse: true,
      handler: async (_, reply) => reply.sse(one),
    })
    testbed.app.put('/', { sse: { retryMs: 5 } }, async (_, reply) => reply.sse(one))
    expect((await testbed.request('/', { 'content-length': '0' }, 'POST')).body).toBe('data: one\n\n')
    expect((await testbed.request('/', { 'content-length': '0' }, 'PUT')).body).toBe(
      'retry: 5\ndata: one\n\n',
    )
    await testbed.idle()
    const { routes } = testbed.app.sse.stats()
    expect(Object.keys(routes)).toEqual(['GET,POST /', 'PUT /'])
  })

  test('routes with other constraints are counted together', async () => {
    const testbed = await Testbed.make()
    for (const host of ['a.example', 'b.example']) {
      testbed.app.get('/', { sse: true, constraints: { host } }, async (_, reply) => reply.sse(one))
    }
    for (const host of ['a.example', 'b.example']) await testbed.request('/', { host })
    await until(() => testbed.closed.length === 2, 'both to be closed')
    expect(testbed.app.sse.stats().routes['GET /']).toMatchObject({ opened: 2, closed: { ended: 2 } })
  })

  test('declared before the plugin was awaited: the error says how to mend it', async () => {
    const testbed = new Testbed()
    void testbed.app.register(headfirst)
    testbed.app.get('/', { sse: true }, async (_, reply) => reply.sse(one))
    const { status, body } = await testbed.request('/')
    expect(status).toBe(500)
    const { code, message } = JSON.parse(body) as { code: string; message: string }
    expect(code).toBe('HF_ERR_ROUTE_WITHOUT_SSE')
    expect(message).toMatch('route GET /')
    expect(message).toMatch('await app.register(headfirst)')
  })

  test('not awaited, but with its routes in a plugin after it', async () => {
    const testbed = new Testbed()
    void testbed.app.register(headfirst, { onClose: testbed.record })
    void testbed.app.register(async (scope) => {
      scope.get('/', { sse: true }, async (_, reply) => reply.sse(one))
    })
    void testbed.app.after(() => {
      testbed.app.get('/after', { sse: true }, async (_, reply) => reply.sse(one))
    })
    expect((await testbed.request('/')).body).toBe('data: one\n\n')
    expect((await testbed.request('/after')).body).toBe('data: one\n\n')
  })

  test('a route without sse: the error says how to mend it', async () => {
    const testbed = await Testbed.make()
    testbed.app.get('/plain/:id', async (_, reply) => reply.sse(one))
    const { status, body } = await testbed.request('/plain/5')
    expect(status).toBe(500)
    expect(JSON.parse(body)).toMatchObject({
      code: 'HF_ERR_ROUTE_WITHOUT_SSE',
      message: expect.stringContaining('route GET /plain/:id') as string,
    })
  })

  test('the handler of what was not found', async () => {
    const testbed = await Testbed.make()
    testbed.app.setNotFoundHandler(async (_, reply) => reply.sse(one))
    expect(JSON.parse((await testbed.request('/nowhere')).body)).toMatchObject({
      code: 'HF_ERR_ROUTE_WITHOUT_SSE',
      message: expect.stringContaining('GET /nowhere') as string,
    })
  })
})

describe('calling reply.sse()', () => {
  test('twice is an error that leaves the first alone', async () => {
    const testbed = await Testbed.make()
    let caught: unknown
    testbed.app.get('/', { sse: true }, async (_, reply) => {
      reply.sse(one)
      caught = await errorOf(() => reply.sse(async (stream: EventStream) => void stream.send('two')))
      return reply
    })
    expect((await testbed.request('/')).body).toBe('data: one\n\n')
    expect(caught).toMatchObject({ code: 'HF_ERR_SSE_TWICE' })
    await testbed.idle()
    expect(testbed.closed).toHaveLength(1)
  })

  test.each([
    ['reply.send()', async (reply: { send(payload: string): unknown }) => void reply.send('plain')],
    [
      'reply.hijack()',
      async (reply: { hijack(): { raw: { end(text: string): unknown } } }) =>
        void reply.hijack().raw.end('plain'),
    ],
    [
      'reply.raw.writeHead()',
      async ({ raw }: { raw: { writeHead(status: number): { end(text: string): unknown } } }) =>
        void raw.writeHead(200).end('plain'),
    ],
  ])('after %s is an error', async (_, answer) => {
    const testbed = await Testbed.make()
    let caught: unknown
    testbed.app.get('/', { sse: true }, async (_request, reply) => {
      await answer(reply)
      caught = await errorOf(() => reply.sse(one))
      return reply
    })
    expect((await testbed.request('/')).body).toBe('plain')
    expect(caught).toMatchObject({ code: 'HF_ERR_REPLY_ALREADY_SENT' })
    expect((caught as Error).message).toMatch('route GET /')
    expect(testbed.counted).toBe(0)
  })

  test.each([undefined, null, 'report', {}, 5])(
    'with a producer that is %o is an error',
    async (wrongProducer) => {
      const testbed = await Testbed.make()
      testbed.app.get('/', { sse: true }, async (_, reply) => reply.sse(wrongProducer as never))
      const { status, body } = await testbed.request('/')
      expect(status).toBe(500)
      expect(JSON.parse(body)).toMatchObject({ code: 'HF_ERR_PRODUCER_INVALID' })
      await testbed.idle()
    },
  )

  test('with a wrong producer leaves the handler another try', async () => {
    const testbed = await Testbed.make()
    testbed.app.get('/', { sse: true }, async (_, reply) => {
      expect(await errorOf(() => reply.sse(undefined as never))).toMatchObject({
        code: 'HF_ERR_PRODUCER_INVALID',
      })
      return reply.sse(one)
    })
    expect((await testbed.request('/')).body).toBe('data: one\n\n')
  })
})

describe('producer()', () => {
  const url = import.meta.url

  test.each<[unknown[], string]>([
    [[undefined, one], 'HF_ERR_OPTION_INVALID'],
    [['./report.ts', one], 'HF_ERR_OPTION_INVALID'],
    [['/tmp/report.ts', one], 'HF_ERR_OPTION_INVALID'],
    [[new URL(url), one], 'HF_ERR_OPTION_INVALID'],
    [[one], 'HF_ERR_OPTION_INVALID'],
    [[url], 'HF_ERR_PRODUCER_INVALID'],
    [[url, 'one'], 'HF_ERR_PRODUCER_INVALID'],
    [[url, one, { nam: 'one' }], 'HF_ERR_OPTION_UNKNOWN'],
    [[url, one, { name: 5 }], 'HF_ERR_OPTION_INVALID'],
    [[url, one, { name: '' }], 'HF_ERR_OPTION_INVALID'],
    [[url, one, { serializer: 'JSON' }], 'HF_ERR_OPTION_INVALID'],
    [[url, one, null], 'HF_ERR_OPTION_INVALID'],
    [[url, one, 'one'], 'HF_ERR_OPTION_INVALID'],
  ])('%o: %s', async (args, code) => {
    const error = await errorOf(() => (producer as (...some: unknown[]) => unknown)(...args))
    expect(error).toMatchObject({ code })
    expect(error.message).toMatch('producer()')
  })

  test('absent options may be undefined', () => {
    expect(producer(url, one, { name: undefined, serializer: undefined } as never)).toBeTypeOf('function')
  })

  test('a portable producer runs on the executors of the server’s thread', async () => {
    const testbed = await Testbed.make()
    const portable = producer(url, async (stream: EventStream, input: { n: number }) => {
      stream.send({ data: input.n + 1 })
    })
    for (const executor of ['inline', 'microtask', 'deferred']) {
      testbed.app.get(`/${executor}`, { sse: { executor } }, async (_, reply) =>
        reply.sse(portable, { n: 1 }),
      )
    }
    for (const executor of ['inline', 'microtask', 'deferred']) {
      expect((await testbed.request(`/${executor}`)).body).toBe('data: 2\n\n')
    }
  })

  test.each([
    ['node server.js', (entry: string) => entry],
    ['node .', folderOf],
  ])(
    'one in the entry module of the process (%s) is refused by threads, and named',
    async (_, startedWith) => {
      const entry = startedWith(fileURLToPath(new URL('./registration-entry.ts', import.meta.url)))
      // What has no entry module starts a second server, and waits for it.
      const answer = await runScript<Record<string, unknown>>(entry, { timeout: 15_000 })
      const { status, code, message, onInline, servers } = answer
      expect({ status, code, onInline, servers }).toEqual({
        status: 500,
        code: 'HF_ERR_PRODUCER_IN_ENTRY',
        onInline: 'data: one\n\n',
        servers: 1,
      })
      expect(message).toMatch('registration-entry.ts')
      expect(message).toMatch('Move it to a module of its own')
    },
  )
})

/** A package whose main file is this one. */
function folderOf(main: string): string {
  const folder = mkdtempSync(join(tmpdir(), 'headfirst-entry-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  writeFileSync(join(folder, 'package.json'), JSON.stringify({ main: relative(folder, main) }))
  return folder
}

async function theirs(scope: FastifyInstance): Promise<void> {
  await scope.register(fastifySse)
  scope.get('/theirs', { sse: true }, async (_, reply) => {
    await (reply.sse as unknown as { send(event: { data: string }): Promise<void> }).send({ data: 'theirs' })
  })
}

async function ours(scope: FastifyInstance): Promise<void> {
  await scope.register(headfirst)
  scope.get('/ours', { sse: { retryMs: 5 } }, async (_, reply) => reply.sse(one))
}

describe('beside @fastify/sse', () => {
  test('in one scope, after it: the server does not start, and the error says how to mend it', async () => {
    const app = Fastify()
    await app.register(fastifySse)
    const error = await errorOf(async () => {
      await app.register(headfirst)
      await app.ready()
    })
    expect(error).toMatchObject({ code: 'HF_ERR_REPLY_SSE_TAKEN' })
    expect(error.message).toMatch('@fastify/sse')
    expect(error.message).toMatch('app.register(async (scope) =>')
  })

  test('in one scope, before it: likewise', async () => {
    const app = Fastify()
    await app.register(headfirst)
    const error = await errorOf(async () => {
      await app.register(fastifySse)
      await app.ready()
    })
    expect(error).toMatchObject({ code: 'HF_ERR_REPLY_SSE_TAKEN' })
  })

  test('below headfirst: its routes reply with the error', async () => {
    const testbed = await Testbed.make()
    await testbed.app.register(theirs)
    const { status, body } = await testbed.request('/theirs', { accept: 'text/event-stream' })
    expect(status).toBe(500)
    expect(JSON.parse(body)).toMatchObject({ code: 'HF_ERR_REPLY_SSE_TAKEN' })
  })

  test('headfirst below it: the error says how to mend it', async () => {
    const app = Fastify()
    await app.register(fastifySse)
    const error = await errorOf(async () => {
      await app.register(ours)
      await app.ready()
    })
    expect(error).toMatchObject({ code: 'HF_ERR_REPLY_SSE_TAKEN' })
  })

  test('in sibling scopes both work', async () => {
    const testbed = new Testbed()
    await testbed.app.register(theirs)
    await testbed.app.register(ours)
    await testbed.app.register(theirs, { prefix: '/again' })
    await testbed.app.register(ours, { prefix: '/again' })
    for (const prefix of ['', '/again']) {
      const accept = { accept: 'text/event-stream' }
      expect((await testbed.request(`${prefix}/ours`, accept)).body).toBe('retry: 5\ndata: one\n\n')
      expect((await testbed.request(`${prefix}/theirs`, accept)).body).toMatch('theirs')
    }
  })

  test('beside any plugin that has decorated the reply with "sse"', async () => {
    const app = Fastify()
    app.decorateReply('sse', null as never)
    expect(await errorOf(async () => app.register(headfirst))).toMatchObject({
      code: 'HF_ERR_REPLY_SSE_TAKEN',
    })
  })
})

describe('app.sse.stats()', () => {
  test('counts streams while they run and when they are over', async () => {
    const testbed = await Testbed.make()
    const { app } = testbed
    let stream: EventStream | undefined
    app.get('/', { sse: { executor: 'deferred' } }, async (_, reply) =>
      reply.sse((opened: EventStream) => {
        stream = opened
        opened.send('é')
      }),
    )
    expect(app.sse.stats()).toEqual({
      executors: Object.fromEntries(
        ['inline', 'microtask', 'deferred', 'workers'].map((name) => [
          name,
          {
            running: 0,
            waiting: 0,
            admitted: 0,
            refused: 0,
            lost: 0,
            ...(name === 'workers' && { threads: 0 }),
          },
        ]),
      ),
      routes: { 'GET /': { open: 0, opened: 0, closed: {}, events: 0, bytes: 0, dropped: 0 } },
    })

    const [staying, leaving] = [await testbed.connect(), await testbed.connect()]
    leaving.send(get('/'))
    await leaving.including('é')
    staying.send(get('/'))
    await staying.including('é')
    expect(app.sse.stats().executors['deferred']).toMatchObject({ running: 2, waiting: 0, admitted: 2 })
    expect(app.sse.stats().routes['GET /']).toMatchObject({ open: 2, opened: 2, closed: {} })
    leaving.destroy()
    await testbed.closeInfo(0)
    stream?.close()
    await testbed.closeInfo(1)
    await testbed.idle()
    const stats = app.sse.stats()
    expect(stats.routes['GET /']).toEqual({
      open: 0,
      opened: 2,
      closed: { client: 1, ended: 1 },
      events: 2,
      bytes: 20,
      dropped: 0,
    })
    // What was answered is a copy.
    stats.routes['GET /']!.closed.client = 99
    expect(app.sse.stats().routes['GET /']?.closed.client).toBe(1)
  })

  test('counts what an executor has refused', async () => {
    const full: Executor = {
      admit() {
        throw Object.assign(new Error('no room'), { statusCode: 503 })
      },
      run: (task) => void task.produce(),
    }
    const testbed = await Testbed.make({ executor: 'full', executors: { full } })
    testbed.app.get('/', { sse: true }, async (_, reply) => reply.sse(one))
    expect((await testbed.request('/')).status).toBe(503)
    await testbed.idle()
    expect(testbed.app.sse.stats()).toMatchObject({
      executors: { full: { running: 0, waiting: 0, admitted: 0, refused: 1 } },
      routes: { 'GET /': { open: 0, opened: 0 } },
    })
    expect(testbed.closed).toEqual([])
  })
})
