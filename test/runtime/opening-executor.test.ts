import { describe, expect, test } from 'vitest'
import type { Executor } from '../../src/runtime/executor.ts'
import { get } from '../support/raw-client.ts'
import { withResolvers } from '../support/with-resolvers.ts'
import { turn } from '../support/waiting.ts'
import { type Arrival, send, begin, pipeline, ADMITTED, OPENED } from './opening-arrival.ts'

const NEVER = async (): Promise<void> => new Promise(() => {})

const busy = (retryAfterMs?: number): Error =>
  Object.assign(new RangeError('no room'), { statusCode: 503, ...(retryAfterMs && { retryAfterMs }) })

/** An executor whose admit() throws, or rejects. */
const refusing = (how: string, error: unknown): Partial<Executor> => ({
  admit: () => {
    if (how === 'rejects') return Promise.reject(error)
    throw error
  },
})

function expectUnavailable({ refused }: Arrival): void {
  expect(refused).toEqual([
    expect.objectContaining({
      code: 'HF_ERR_EXECUTOR_UNAVAILABLE',
      message: expect.stringContaining('the server is closing') as string,
    }),
  ])
}

describe('prepare()', () => {
  const REFUSED = ['enter', 'prepare', 'moment refused: GET /, TypeError', 'refuse']
  const thrown = new TypeError('cannot be cloned')

  test.each(['status', 'retry'] as const)(
    'that throws is answered with its error, where refusal is %s: to come back would not help',
    async (refusal) => {
      const prepare = (): void => {
        throw thrown
      }
      const { arrival } = await begin({ executor: { prepare }, route: { refusal } })
      expect(arrival.calls).toEqual(REFUSED)
      expect(arrival.refused).toEqual([thrown])
    },
  )

  test('that rejects is so as well', async () => {
    const prepare = async (): Promise<void> => Promise.reject(thrown)
    const { client, arrival } = await begin({ executor: { prepare }, route: { refusal: 'retry' } })
    await client.response()
    expect(arrival.calls).toEqual(REFUSED)
    expect(arrival.refused).toEqual([thrown])
  })

  test('that throws what is no error is answered with one, whose cause is that', async () => {
    const { client, arrival } = await begin({
      executor: { prepare: async () => Promise.reject('no error') },
    })
    await client.response()
    expect(arrival.refused).toEqual([new Error('The executor has refused the stream', { cause: 'no error' })])
    expect(arrival.refused[0]?.cause).toBe('no error')
  })

  test('holds everything back until it resolves', async () => {
    const { promise, resolve } = withResolvers()
    const { client, arrival } = await begin({ executor: { prepare: async () => promise } })
    await turn()
    expect(arrival.calls).toEqual(['enter', 'prepare'])
    resolve()
    await client.head()
    expect(arrival.calls).toEqual(['enter', 'prepare', ...OPENED.slice(1)])
  })

  test.each(['resolves', 'rejects'])('that %s when the client has left comes to nothing', async (outcome) => {
    const { promise, resolve, reject } = withResolvers()
    const { arrival } = await begin({ executor: { prepare: async () => promise } })
    arrival.over = true
    if (outcome === 'resolves') resolve()
    else reject(thrown)
    await turn()
    expect(arrival.calls).toEqual(['enter', 'prepare'])
  })

  test('is not called where the client has left, and the response had its turn all the same', async () => {
    const { client, first, second } = await pipeline({ executor: { prepare: () => {} } })
    second.begin()
    second.over = true
    first.response.end()
    await client.response(0)
    await turn()
    expect(second.calls).toEqual(['enter'])
  })
})

describe('admit()', () => {
  const REFUSED = ['enter', 'admit', 'moment refused: GET /, RangeError']

  test.each(['throws', 'rejects'])('that %s refuses the client', async (how) => {
    const { client, arrival } = await begin({ executor: refusing(how, busy()) })
    expect((await client.response()).status).toBe(503)
    expect(arrival.calls).toEqual([...REFUSED, 'refuse'])
  })

  test.each(['throws', 'rejects'])('that %s what is no error refuses with one', async (how) => {
    const { client, arrival } = await begin({ executor: refusing(how, 'full') })
    await client.response()
    expect(arrival.refused[0]).toMatchObject({
      message: 'The executor has refused the stream',
      cause: 'full',
    })
  })

  test.each<[string, number | undefined, number]>([
    ['as long as it names', 5_000, 5_000],
    ['a second, where it names no time', undefined, 1_000],
    ['a second, where it names less', 5, 1_000],
  ])('has the client stay away for %s, and up to twice that', async (_, retryAfterMs, leastMs) => {
    const { client, arrival } = await begin({
      executor: refusing('throws', busy(retryAfterMs)),
      route: { refusal: 'retry' },
    })
    const { status, body } = await client.response()
    const retryMs = Number(/^retry: (\d+)\n$/.exec(body)?.[1])
    expect(status).toBe(200)
    expect(retryMs).toBeGreaterThanOrEqual(leastMs)
    expect(retryMs).toBeLessThanOrEqual(2 * leastMs)
    expect(arrival.calls).toEqual([...REFUSED, 'send head'])
  })

  test('whose retry is sent: without the headers of another body', async () => {
    const { client } = await begin({
      executor: refusing('throws', busy()),
      route: { refusal: 'retry' },
      reply: (payload, response) =>
        void payload.pipe(response.setHeader('content-length', 1).setHeader('content-encoding', 'gzip')),
    })
    const { headers, body } = await client.response()
    expect(body).toMatch(/^retry: \d+\n$/)
    expect(headers).not.toHaveProperty('content-encoding')
    expect(headers).not.toHaveProperty('content-length')
  })

  test('holds the head back until it resolves', async () => {
    const { promise, resolve } = withResolvers()
    const { client, arrival } = await begin({ executor: { admit: async () => promise } })
    await turn()
    expect(arrival.calls).toEqual(['enter', 'admit'])
    resolve()
    await client.head()
    expect(arrival.calls).toEqual(OPENED)
  })

  test('that rejects when the client has left refuses nobody', async () => {
    const { promise, reject } = withResolvers()
    const { arrival } = await begin({ executor: { admit: async () => promise } })
    arrival.over = true
    reject(busy())
    await turn()
    expect(arrival.calls).toEqual(['enter', 'admit'])
  })

  test('that agrees when the client has left: the connection gives it back, and no head is sent', async () => {
    const { arrival } = await begin({ onAdmitted: () => false })
    expect(arrival.calls).toEqual(ADMITTED)
  })

  test('that never decides holds the head back for ever', async () => {
    const { arrival } = await begin({ executor: { admit: NEVER } })
    await turn()
    expect(arrival.calls).toEqual(['enter', 'admit'])
  })
})

describe('a server that closes', () => {
  const UNAVAILABLE = ['moment refused: GET /, FastifyError', 'refuse']

  test('before prepare() refuses', async () => {
    const { client, arrivals } = await send({ executor: { prepare: () => {} } }, get('/'))
    const [arrival] = arrivals
    arrival.shuttingDown = true
    arrival.begin()
    expect((await client.response()).status).toBe(503)
    expect(arrival.calls).toEqual(['enter', ...UNAVAILABLE])
    expectUnavailable(arrival)
  })

  test('between prepare() and admit() refuses', async () => {
    const { promise, resolve } = withResolvers()
    const { client, arrival } = await begin({ executor: { prepare: async () => promise } })
    arrival.shuttingDown = true
    resolve()
    await client.response()
    expect(arrival.calls).toEqual(['enter', 'prepare', ...UNAVAILABLE])
    expectUnavailable(arrival)
  })

  test('after admit() refuses', async () => {
    const { client, arrival } = await begin({
      onAdmitted: (admitted) => (admitted.shuttingDown = true),
    })
    await client.response()
    expect(arrival.calls).toEqual([...ADMITTED, ...UNAVAILABLE])
    expectUnavailable(arrival)
  })
})
