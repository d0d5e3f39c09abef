import { setImmediate as nextTurn } from 'node:timers/promises'
import { describe, expect, test } from 'vitest'
import { Testbed } from '../support/testbed.ts'
import { until } from '../../src/testing/flags.ts'

/** Runs an executor's every test on each that lives on the server's thread. */
const executors = ['inline', 'microtask', 'deferred'] as const

describe('hooks of the route', () => {
  test('onOpen is called when the head has left, before the producer', async () => {
    const order: string[] = []
    const testbed = await Testbed.serving(
      (stream) => {
        order.push('producer')
        stream.close()
      },
      {
        onOpen: (stream, request) => {
          order.push(`onOpen ${request.url}`)
          stream.send('welcome')
        },
      },
    )
    expect((await testbed.request('/')).body).toBe('data: welcome\n\n')
    expect(order).toEqual(['onOpen /', 'producer'])
  })

  test('onOpen that throws ends the stream as error, and the producer does not run', async () => {
    const testbed = await Testbed.serving(() => expect.unreachable('the producer'), {
      onOpen: () => {
        throw new Error('not welcome')
      },
      onError: (_, stream) => stream.send('sorry'),
    })
    expect((await testbed.request('/')).body).toBe('data: sorry\n\n')
    const info = await testbed.closeInfo()
    expect(info).toMatchObject({ reason: 'error', error: { message: 'not welcome' } })
    expect(info.timings.startedMs).toBe(undefined)
    await testbed.idle()
  })

  test('onOpen may close the stream, and the producer does not run', async () => {
    const testbed = await Testbed.serving(() => expect.unreachable('the producer'), {
      onOpen: (stream) => {
        stream.send('closed today')
        stream.close()
      },
    })
    expect((await testbed.request('/')).body).toBe('data: closed today\n\n')
    expect(await testbed.closeInfo()).toMatchObject({ reason: 'ended', events: 1 })
    await testbed.idle()
  })

  test('what onClose throws is logged', async () => {
    const testbed = await Testbed.make()
    const closes: string[] = []
    const onClose = (): void => {
      throw new Error(`in onClose ${closes.push('now')}`)
    }
    testbed.app.get('/', { sse: { onClose } }, async (_, reply) => reply.sse(async () => {}))
    await testbed.request('/')
    await until(() => testbed.logged.length > 0, 'the log')
    expect(testbed.logged[0]?.error).toBe('in onClose 1')
    await testbed.idle()
  })

  test.each(['onOpen', 'onClose', 'onError'] as const)(
    'what an async %s rejects with is logged, and the process lives',
    async (hook) => {
      const testbed = await Testbed.make()
      const rejecting = async (): Promise<void> => {
        await nextTurn()
        throw new Error(`in ${hook}`)
      }
      testbed.app.get('/', { sse: { [hook]: rejecting } }, async (_, reply) =>
        reply.sse(async () => {
          await nextTurn()
          if (hook === 'onError') throw new Error('expected')
        }),
      )
      expect((await testbed.request('/')).complete).toBe(true)
      await until(() => testbed.logged.some(({ error }) => error === `in ${hook}`), 'the log')
      await testbed.idle()
    },
  )

  test('onClose gets the request', async () => {
    const testbed = await Testbed.make()
    const urls: string[] = []
    testbed.app.get('/', { sse: { onClose: (_, request) => urls.push(request.url) } }, async (_, reply) =>
      reply.sse(async () => {}),
    )
    await testbed.request('/?a=1')
    await until(() => urls.length > 0, 'onClose')
    expect(urls).toEqual(['/?a=1'])
  })
})

describe('onClose', () => {
  test.each(executors)('tells timings in order and counts (%s)', async (executor) => {
    const testbed = await Testbed.serving(
      async (stream) => {
        stream.comment('no event')
        await nextTurn()
        stream.send('é')
        stream.send({ event: 'x', data: '' })
      },
      { executor },
    )
    const { body } = await testbed.request('/')
    const { timings, ...info } = await testbed.closeInfo()
    expect(info).toEqual({ reason: 'ended', executor, events: 2, bytes: Buffer.byteLength(body), dropped: 0 })
    const { admittedMs = NaN, headMs = NaN, startedMs = NaN, firstEventMs = NaN, closedMs } = timings
    const inOrder = [0, admittedMs, headMs, startedMs, firstEventMs, closedMs]
    expect(inOrder).toEqual(inOrder.toSorted((a, b) => a - b))
  })

  test('leaves undefined what it did not come to', async () => {
    const testbed = await Testbed.serving(async () => {})
    await testbed.request('/')
    const { timings, events, bytes } = await testbed.closeInfo()
    expect({ events, bytes, first: timings.firstEventMs }).toEqual({ events: 0, bytes: 0, first: undefined })
    expect(timings.startedMs).toBeTypeOf('number')
  })

  test('counts retryMs and heartbeats as bytes, not as events', async () => {
    const testbed = await Testbed.serving((stream) => void stream.signal, { retryMs: 5, heartbeatMs: 20 })
    const client = await testbed.ask('/')
    const { body } = await client.including('retry: 5\n:\n:\n')
    expect(body.startsWith('retry: 5\n')).toBe(true)
    client.destroy()
    const { events, bytes, timings } = await testbed.closeInfo()
    expect({ events, first: timings.firstEventMs }).toEqual({ events: 0, first: undefined })
    expect(bytes).toBeGreaterThanOrEqual('retry: 5\n:\n:\n'.length)
  })
})
