/** What has a `then` need not be a promise: a query of Prisma or Knex starts when its `then` is called. */
import { runInNewContext } from 'node:vm'
import { describe, expect, test } from 'vitest'
import { inline, type Executor, type SseRouteOptions } from '../../src/index.ts'
import { Testbed } from '../support/testbed.ts'
import * as failing from '../support/producers/failing-sources.ts'
import { until } from '../../src/testing/flags.ts'
import { EXECUTORS } from '../support/executors.ts'

type Settle = (value: unknown) => void

/** Starts nothing before its `then` is called. */
class Query {
  started = 0
  readonly #failure: Error | undefined

  constructor(failure?: Error) {
    this.#failure = failure
  }

  // oxlint-disable-next-line unicorn/no-thenable -- what it is for
  then(resolve: Settle, reject: Settle): void {
    this.started++
    if (this.#failure === undefined) resolve('row')
    else reject(this.#failure)
  }
}

const ofAnotherRealm = (): unknown => runInNewContext('Promise.reject(new Error("of another realm"))')

const HOOKS = ['onOpen', 'onError', 'onClose'] as const

describe.each(EXECUTORS)('on %s', (executor) => {
  describe.each(HOOKS)('what %s returns', (hook) => {
    async function serve(make: () => unknown): Promise<Testbed> {
      const testbed = await Testbed.make({ executor })
      const options = { [hook]: make } as SseRouteOptions
      testbed.app.get('/', { sse: options }, async (_, reply) => reply.sse(failing.later))
      await testbed.request('/')
      return testbed
    }

    test('is started if that takes its then', async () => {
      const query = new Query()
      await serve(() => query)
      await until(() => query.started > 0, 'the query')
      expect(query.started).toBe(1)
    })

    test.each([
      ['a query', () => new Query(new Error('of a query')), 'of a query'],
      ['a promise of another realm', ofAnotherRealm, 'of another realm'],
    ])('is logged where it rejects (%s)', async (_, make, message) => {
      const testbed = await serve(make)
      const logged = { msg: 'event stream failed', error: message }
      await until(() => testbed.logged.some(({ error }) => error === message), 'the line')
      expect(testbed.logged).toContainEqual(logged)
    })
  })
})

test('what run() of an executor returns ends the stream as error where it rejects', async () => {
  const query = new Query(new Error('of a query'))
  const mine = { run: () => query } as unknown as Executor
  const testbed = await Testbed.make({ executors: { mine }, executor: 'mine' })
  testbed.app.get('/', { sse: true }, async (_, reply) => reply.sse(async () => {}))
  expect((await testbed.request('/')).body).toBe('')
  expect(await testbed.closeInfo()).toMatchObject({ reason: 'error', error: { message: 'of a query' } })
})

test('what prepare() of an executor returns holds the head back, and refuses where it rejects', async () => {
  const queries = [new Query(), new Query(new Error('of a query'))]
  const mine = { ...inline(), prepare: () => queries.shift() } as unknown as Executor
  const testbed = await Testbed.make({ executors: { mine }, executor: 'mine' })
  testbed.app.get('/', { sse: true }, async (_, reply) =>
    reply.sse(async (stream) => void stream.send('one')),
  )
  expect(await testbed.request('/')).toMatchObject({ status: 200, body: 'data: one\n\n' })
  const refused = await testbed.request('/')
  expect(refused.status).toBe(500)
  expect(JSON.parse(refused.body)).toMatchObject({ message: 'of a query' })
})

test('what prepare() of an executor returns and is no promise changes nothing', async () => {
  const mine = { ...inline(), prepare: () => true } as unknown as Executor
  const testbed = await Testbed.make({ executors: { mine }, executor: 'mine' })
  testbed.app.get('/', { sse: true }, async (_, reply) =>
    reply.sse(async (stream) => void stream.send('one')),
  )
  expect((await testbed.request('/')).body).toBe('data: one\n\n')
})

test('a cancel() that throws is logged, and its stream is over all the same', async () => {
  const mine: Executor = {
    ...inline(),
    cancel: () => {
      throw new Error('cannot cancel')
    },
  }
  const testbed = await Testbed.make({ executors: { mine }, executor: 'mine' })
  testbed.app.get('/', { sse: true }, async (_, reply) =>
    reply.sse(async (stream) => {
      stream.send('open')
      await new Promise((resolve) => stream.signal.addEventListener('abort', resolve))
    }),
  )
  const client = await testbed.ask('/')
  await client.including('open')
  client.destroy()
  expect((await testbed.closeInfo()).reason).toBe('client')
  await testbed.idle()
  expect(testbed.logged).toContainEqual({ msg: 'event stream failed', error: 'cannot cancel' })
})

test.each([
  ['a promise', async () => ({ tenant: 7 })],
  ['a query', () => new Query()],
  ['a string', () => 'tenant'],
])('a context that is %s is refused with what to do', async (_, context) => {
  const testbed = await Testbed.make()
  testbed.app.get('/', { sse: { context: context as never } }, async (_request, reply) =>
    reply.sse(async () => {}),
  )
  const { status, body } = await testbed.request('/')
  expect(status).toBe(500)
  expect(JSON.parse(body)).toMatchObject({
    code: 'HF_ERR_OPTION_INVALID',
    message: expect.stringContaining(
      '"context" in route GET / must be a function that returns an object at once',
    ),
  })
})
