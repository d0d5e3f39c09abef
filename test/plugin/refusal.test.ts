import { describe, expect, test } from 'vitest'
import type { Executor, RouteOptions } from '../../src/index.ts'
import { Testbed } from '../support/testbed.ts'
import { until } from '../../src/testing/flags.ts'

const refusal = (): Error =>
  Object.assign(new Error('no room'), {
    statusCode: 503,
    code: 'E_NO_ROOM',
    retryAfterMs: 7_000,
    headers: { 'retry-after': '7' },
  })

/** A testbed whose only executor is this one, and whose producer must not run. */
async function serve(own: Omit<Executor, 'run'>, options: RouteOptions = {}): Promise<Testbed> {
  const testbed = await Testbed.make({
    executor: 'own',
    executors: { own: { ...own, run: () => expect.unreachable('run() was called') } },
    ...options,
  })
  testbed.app.get('/', { sse: true }, async (_, reply) =>
    reply.header('x-handler', '1').sse(() => expect.unreachable('the producer ran')),
  )
  return testbed
}

describe.each<[string, Omit<Executor, 'run'>]>([
  [
    'admit() that throws',
    {
      admit() {
        throw refusal()
      },
    },
  ],
  [
    'admit() that throws after a prepare() that had to wait',
    {
      prepare: async () => {},
      admit() {
        throw refusal()
      },
    },
  ],
])('%s', (_, own) => {
  test('is a 503 with Retry-After, which hooks and the error handler see', async () => {
    const testbed = await serve(own)
    testbed.app.addHook('onSend', async (_request, reply) => {
      reply.header('x-on-send', '1')
    })
    testbed.app.setErrorHandler((error, _request, reply) => {
      void reply.header('x-error', (error as { code: string }).code).send(error)
    })
    const { status, headers, body } = await testbed.request('/')
    expect(status).toBe(503)
    expect(headers).toMatchObject({ 'retry-after': '7', 'x-on-send': '1', 'x-error': 'E_NO_ROOM' })
    expect(JSON.parse(body)).toMatchObject({ message: 'no room' })
    await testbed.idle()
    expect(testbed.closed).toEqual([])
    expect(testbed.app.sse.stats().executors['own']).toMatchObject({ admitted: 0, refused: 1 })
  })

  test('with refusal "retry" is a stream that tells the client when to come back', async () => {
    const testbed = await serve(own, { refusal: 'retry' })
    const { status, headers, body, complete } = await testbed.request('/')
    expect({ status, complete }).toEqual({ status: 200, complete: true })
    expect(headers).toMatchObject({ 'content-type': 'text/event-stream', 'x-handler': '1' })
    const [, retryMs] = /^retry: (\d+)\n$/.exec(body) ?? []
    expect(Number(retryMs)).toBeGreaterThanOrEqual(7_000)
    expect(Number(retryMs)).toBeLessThanOrEqual(14_000)
    await testbed.idle()
    expect(testbed.closed).toEqual([])
    expect(testbed.app.sse.stats()).toMatchObject({
      executors: { own: { admitted: 0, refused: 1 } },
      routes: { 'GET /': { open: 0, opened: 0 } },
    })
  })
})

describe.each<[string, Executor['prepare'] & object]>([
  [
    'throws',
    () => {
      throw new Error('not this producer')
    },
  ],
  [
    'rejects',
    async () => {
      throw new Error('not this producer')
    },
  ],
])('prepare() that %s', (_, prepare) => {
  test.each(['status', 'retry'] as const)('is an error of the route (refusal %s)', async (how) => {
    const testbed = await serve({ prepare }, { refusal: how })
    const { status, body } = await testbed.request('/')
    expect(status).toBe(500)
    expect(JSON.parse(body)).toMatchObject({ message: 'not this producer' })
    await testbed.idle()
    expect(testbed.closed).toEqual([])
  })
})

test('admit() and prepare() that throw what is no error still refuse', async () => {
  for (const own of [
    {
      admit() {
        throw 'no'
      },
    },
    {
      prepare() {
        throw undefined
      },
    },
  ]) {
    const testbed = await serve(own)
    expect((await testbed.request('/')).status).toBe(500)
    await testbed.idle()
  }
})

test('a client that leaves while prepare() waits is not admitted', async () => {
  let proceed: (() => void) | undefined
  let admissions = 0
  const testbed = await serve({
    prepare: async () => new Promise<void>((resolve) => (proceed = resolve)),
    admit: () => {
      admissions++
    },
  })
  const client = await testbed.ask('/')
  await until(() => proceed !== undefined, 'prepare()')
  client.destroy()
  let closed = false
  testbed.app.server.getConnections((_, count) => (closed = count === 0))
  await until(() => {
    testbed.app.server.getConnections((_, count) => (closed = count === 0))
    return closed
  }, 'the connection to be closed')
  proceed?.()
  // A shutdown finds nothing to wait for.
  await testbed.app.close()
  expect(admissions).toBe(0)
  expect(testbed.counted).toBe(0)
  expect(testbed.closed).toEqual([])
})
