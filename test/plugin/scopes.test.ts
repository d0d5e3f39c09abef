import Fastify from 'fastify'
import { describe, expect, test } from 'vitest'
import headfirst, { deferred, inline, type EventStream, type Executor } from '../../src/index.ts'
import { Testbed } from '../support/testbed.ts'
import { until } from '../../src/testing/flags.ts'
import { one } from '../support/producers/closures.ts'
import { errorOf } from '../support/errors.ts'

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
    const client = await testbed.ask('/inner')
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
