import { describe, expect, test } from 'vitest'
import type { EventStream } from '../../src/index.ts'
import { Testbed } from '../support/testbed.ts'
import { one } from '../support/producers/closures.ts'
import { errorOf } from '../support/errors.ts'

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
