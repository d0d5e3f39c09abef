import Fastify, { type FastifyInstance, type FastifyPluginAsync } from 'fastify'
import { createRequire } from 'node:module'
import { describe, expect, test } from 'vitest'
import headfirst from '../../src/index.ts'
import { Testbed } from '../support/testbed.ts'
import { one } from '../support/producers/closures.ts'
import { errorOf } from '../support/errors.ts'

/** Without its types, which would say something else of `reply.sse`. */
const fastifySse = createRequire(import.meta.url)('@fastify/sse') as FastifyPluginAsync

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

/** Why an app does not start on which the first is registered, and then the second. */
async function refusal(
  first: FastifyPluginAsync,
  second: FastifyPluginAsync,
): Promise<Error & { code?: string }> {
  const app = Fastify()
  await app.register(first)
  return errorOf(async () => {
    await app.register(second)
    await app.ready()
  })
}

describe('beside @fastify/sse', () => {
  test('in one scope, after it: the server does not start, and the error says how to mend it', async () => {
    const error = await refusal(fastifySse, headfirst)
    expect(error).toMatchObject({ code: 'HF_ERR_REPLY_SSE_TAKEN' })
    expect(error.message).toMatch('@fastify/sse')
    expect(error.message).toMatch('app.register(async (scope) =>')
  })

  test('in one scope, before it: likewise', async () => {
    expect(await refusal(headfirst, fastifySse)).toMatchObject({ code: 'HF_ERR_REPLY_SSE_TAKEN' })
  })

  test('below headfirst: its routes reply with the error', async () => {
    const testbed = await Testbed.make()
    await testbed.app.register(theirs)
    const { status, body } = await testbed.request('/theirs', { accept: 'text/event-stream' })
    expect(status).toBe(500)
    expect(JSON.parse(body)).toMatchObject({ code: 'HF_ERR_REPLY_SSE_TAKEN' })
  })

  test('headfirst below it: the error says how to mend it', async () => {
    expect(await refusal(fastifySse, ours)).toMatchObject({ code: 'HF_ERR_REPLY_SSE_TAKEN' })
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
