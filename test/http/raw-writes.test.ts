/** What a handler or a plugin writes to `reply.raw` between the events of a stream. */
import { setImmediate as turn } from 'node:timers/promises'
import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { until } from '../../src/testing/flags.ts'
import { many, SEED, TIMEOUT } from '../support/random.ts'
import { get } from '../support/raw-client.ts'
import { Http2Pair, sinkOf } from '../support/served-response.ts'
import { Testbed } from '../support/testbed.ts'

const COMMENT = ': from elsewhere\n\n'
/** More than the kernel takes at once. */
const LONG_COMMENT = `:${'x'.repeat(10_000_000)}\n\n`

test.each([
  ['short', COMMENT],
  ['long', LONG_COMMENT],
])('an event after a %s comment of somewhere else leaves without another one', async (_, comment) => {
  const testbed = await Testbed.make({ maxBuffered: 2 ** 28 })
  testbed.app.get('/', { sse: true }, async (__, reply) =>
    reply.sse((stream) => {
      for (const data of ['1', '2', '3']) stream.send(data)
      reply.raw.write(comment)
      stream.send('4')
      // After what is to come when the first has left.
      reply.raw.write(comment)
      stream.send('5')
      stream.signal.addEventListener('abort', () => {})
    }),
  )
  const client = await testbed.ask('/')
  const { body } = await client.including('data: 5\n\n')
  expect(body.match(/data: \d/g)).toEqual(['1', '2', '3', '4', '5'].map((data) => `data: ${data}`))
})

test('an event after a comment of somewhere else leaves on HTTP/2 too', async () => {
  const { response, client } = await (await Http2Pair.open()).request()
  response.flushHeaders()
  const sink = sinkOf(response)
  response.write(COMMENT)
  sink.write('data: 1\n\n', 1)
  client.setEncoding('utf8')
  let body = ''
  for await (const piece of client) {
    body += piece as string
    if (body.includes('data: 1\n\n')) break
  }
  expect(body).toBe(`${COMMENT}data: 1\n\n`)
})

test('ready() resolves when what was written elsewhere has left', async () => {
  const testbed = await Testbed.make({ maxBuffered: 2 ** 28 })
  testbed.app.get('/', { sse: true }, async (_, reply) =>
    reply.sse(async (stream) => {
      stream.send('1')
      stream.send('2')
      reply.raw.write(LONG_COMMENT)
      stream.send(`ready: ${await stream.ready()}`)
    }),
  )
  const { body } = await testbed.request('/')
  expect(body.endsWith('data: ready: true\n\n')).toBe(true)
})

test('after reply.raw.end() no event stands where the next response begins', async () => {
  const testbed = await Testbed.make()
  testbed.app.get('/', { sse: true }, async (_, reply) =>
    reply.sse((stream) => {
      for (const data of ['1', '2', '3']) stream.send(data)
      reply.raw.end()
      stream.send('late')
    }),
  )
  testbed.app.get('/next', async () => 'next')
  const client = await testbed.connect()
  client.send(get('/'))
  const { body } = await client.response()
  expect(body).toBe('data: 1\n\ndata: 2\n\ndata: 3\n\n')
  client.send(get('/next'))
  expect(await client.response(1)).toMatchObject({ status: 200, body: 'next' })
})

test('after reply.raw.end() with bytes that wait, the rest of the body leaves', async () => {
  const testbed = await Testbed.make({ maxBuffered: 2 ** 28 })
  testbed.app.get('/', { sse: true }, async (_, reply) =>
    reply.sse(async (stream) => {
      stream.send('1')
      stream.send('2')
      await turn()
      reply.raw.write(LONG_COMMENT)
      reply.raw.end()
      stream.send('late')
      await stream.ready()
    }),
  )
  const { body } = await testbed.request('/')
  expect(body).toBe(`data: 1\n\ndata: 2\n\n${LONG_COMMENT}`)
})

test('a wrapped reply.raw.write() that drops the callback stops no stream whose client is slow', async () => {
  const data = 'x'.repeat(100_000)
  const testbed = await Testbed.make()
  let waited = 0
  testbed.app.get('/', { sse: true }, async (_, reply) => {
    const write = reply.raw.write.bind(reply.raw)
    reply.raw.write = (chunk: unknown) => write(chunk)
    return reply.sse(async (stream) => {
      for (let n = 0; n < 200; n++) {
        if (stream.send(data)) continue
        waited++
        await stream.ready()
      }
    })
  })
  const client = await testbed.ask('/')
  await client.head()
  client.socket.pause()
  await until(() => waited > 0, 'a client that is behind')
  client.socket.resume()
  const { body } = await client.response()
  expect(body).toBe(`data: ${data}\n\n`.repeat(200))
})

const step = fc.oneof(
  { weight: 4, arbitrary: fc.nat(70_000).map((length) => ({ kind: 'event', length }) as const) },
  { weight: 4, arbitrary: fc.nat(50).map((length) => ({ kind: 'event', length }) as const) },
  fc
    .constantFrom('comment', 'late comment', 'cork', 'cork the socket', 'turn', 'ready')
    .map((kind) => ({ kind, length: 0 }) as const),
)

test(
  'whatever else is written to a response, and corked, its events are whole and in order',
  async () => {
    let steps: { kind: string; length: number }[] = []
    const testbed = await Testbed.make({ maxBuffered: 2 ** 28 })
    testbed.app.get('/', { sse: true }, async (_, reply) =>
      reply.sse(async (stream) => {
        const { raw } = reply
        for (const [id, { kind, length }] of steps.entries()) {
          if (kind === 'event') stream.send({ id, data: 'é'.repeat(length) })
          else if (kind === 'comment') raw.write(COMMENT)
          else if (kind === 'late comment') process.nextTick(() => raw.write(COMMENT))
          else if (kind === 'ready') await stream.ready()
          else if (kind === 'turn') await turn()
          else {
            const corked = kind === 'cork' ? raw : raw.socket
            corked?.cork()
            process.nextTick(() => corked?.uncork())
          }
        }
        await turn()
      }),
    )
    const property = fc.asyncProperty(fc.array(step, { maxLength: 30 }), async (drawn) => {
      steps = drawn
      const { body } = await testbed.request('/')
      const events = drawn.flatMap(({ kind, length }, id) =>
        kind === 'event' ? [`id: ${id}\ndata: ${'é'.repeat(length)}\n\n`] : [],
      )
      expect(body.replaceAll(COMMENT, '') === events.join('')).toBe(true)
      const comments = drawn.filter(({ kind }) => kind.endsWith('comment')).length
      expect(body.split(COMMENT)).toHaveLength(comments + 1)
    })
    await fc.assert(property, { numRuns: many(60, 3_000), seed: SEED })
  },
  TIMEOUT,
)
