import Fastify from 'fastify'
import { describe, expect, test } from 'vitest'
import headfirst, { deferred, inline, type Executor, type HeadfirstOptions } from '../../src/index.ts'
import { Testbed } from '../support/testbed.ts'
import { one } from '../support/producers/closures.ts'
import { errorOf } from '../support/errors.ts'

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
