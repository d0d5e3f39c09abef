import { Readable } from 'node:stream'
import { describe, expect, test } from 'vitest'
import { ALONE, FAILING, IN_USE, returns, THENABLES } from './returned-producers.ts'
import { EXECUTORS } from '../support/executors.ts'
import { Testbed } from '../support/testbed.ts'

describe.each(EXECUTORS)('on executor %s, a producer returns', (executor) => {
  test.each(IN_USE)(
    'a source that is read elsewhere, and nothing of it is sent a second time: %s',
    async (name) => {
      const testbed = await Testbed.everywhere({ executor })
      testbed.route('/', returns, name)
      const { body, complete } = await testbed.request('/')
      expect({ body, complete }).toEqual({ body: '', complete: true })
      expect(await testbed.closeInfo()).toMatchObject({
        reason: 'error',
        error: { code: 'HF_ERR_SOURCE_IN_USE' },
      })
      await testbed.idle()
    },
  )

  test.each(ALONE)('a source that nobody else reads, and all of it is sent once: %s', async (name) => {
    const testbed = await Testbed.everywhere({ executor })
    testbed.route('/', returns, name)
    expect((await testbed.request('/')).body).toBe('data: a\n\ndata: b\n\n')
    expect(await testbed.closeInfo()).toMatchObject({ reason: 'ended', events: 2 })
  })

  test.each(THENABLES)('a thenable, and the stream ends when it settles: %s', async (name) => {
    const testbed = await Testbed.everywhere({ executor })
    testbed.route('/', returns, name)
    expect((await testbed.request('/')).body).toBe('data: a\n\ndata: b\n\n')
    expect(await testbed.closeInfo()).toMatchObject({ reason: 'ended', events: 2 })
    await testbed.idle()
  })

  test.each(FAILING)('a thenable, and the stream ends as error: %s', async (name) => {
    const testbed = await Testbed.everywhere({ executor })
    testbed.route('/', returns, name)
    expect(await testbed.request('/')).toMatchObject({ body: '', complete: true })
    expect(await testbed.closeInfo()).toMatchObject({ reason: 'error', error: { message: 'no rows' } })
    await testbed.idle()
  })
})

test('a source that is read elsewhere is destroyed', async () => {
  const source = Readable.from(['a']).on('data', () => {})
  const testbed = await Testbed.everywhere()
  testbed.app.get('/', { sse: true }, async (_, reply) => reply.sse(() => source))
  await testbed.request('/')
  expect(source.destroyed).toBe(true)
})

test('and what fails in it then is nobody’s error', async () => {
  const source = new Readable({
    read() {},
    destroy: (_, done) => void setImmediate(() => done(new Error('cannot be closed'))),
  })
  const closed = new Promise((resolve) => source.on('close', resolve))
  const testbed = await Testbed.everywhere()
  testbed.app.get('/', { sse: true }, async (_, reply) => reply.sse(() => source.on('data', () => {})))
  await testbed.request('/')
  await closed
  expect(source.errored).toMatchObject({ message: 'cannot be closed' })
  expect(await testbed.closeInfo()).toMatchObject({ error: { code: 'HF_ERR_SOURCE_IN_USE' } })
})

test('a function that is no thenable leaves the stream open, as nothing does', async () => {
  const testbed = await Testbed.everywhere()
  testbed.app.get('/', { sse: true }, async (_, reply) =>
    reply.sse((stream) => {
      setImmediate(() => stream.close())
      return (() => {}) as never
    }),
  )
  expect(await testbed.request('/')).toMatchObject({ body: '', complete: true })
  expect(await testbed.closeInfo()).toMatchObject({ reason: 'ended' })
})
