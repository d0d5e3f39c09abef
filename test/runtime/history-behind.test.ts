import { describe, expect, test } from 'vitest'
import { History, type HistoryEvent, type HistoryOptions } from '../../src/index.ts'
import { Testbed } from '../support/testbed.ts'
import { Follower, serve, join, datas, count } from './history-follower.ts'
import { ticks } from './history-ticks.ts'
import { until } from '../../src/testing/flags.ts'

describe('a generator around a follower', () => {
  test('decides what a client sees', async () => {
    const history = new History()
    const testbed = await Testbed.make()
    testbed.app.get('/', { sse: true }, async (_, reply) =>
      reply.sse(async function* (stream) {
        for await (const event of history.follow('key', { from: 'oldest' })(stream)) {
          if (typeof event !== 'string' && event.event !== 'internal') yield event
        }
      }),
    )
    history.push('key', 'one')
    history.push('key', { event: 'internal', data: 'two' })
    history.push('key', 'three')
    const follower = new Follower(testbed, '/')
    await follower.connect()
    await count(follower, 2)
    expect(datas(follower)).toEqual(['one', 'three'])
    follower.cut()
    await until(() => history.stats().followers === 0, 'it to have left')
    await testbed.idle()
  })

  test('that forgets to return it leaves nothing behind', async () => {
    const history = new History()
    const testbed = await Testbed.make()
    testbed.app.get('/', { sse: true }, async (_, reply) =>
      reply.sse(async function* (stream) {
        const { value } = await history.follow('key')(stream).next()
        if (value !== undefined) yield value
        await new Promise((resolve) => stream.signal.addEventListener('abort', resolve))
      }),
    )
    const follower = new Follower(testbed, '/')
    await follower.connect()
    await follower.placed()
    expect(history.stats().followers).toBe(1)
    follower.cut()
    await testbed.closeInfo()
    expect(history.stats().followers).toBe(0)
  })
})

describe('behind', () => {
  test('is what the option makes of it', async () => {
    const told: unknown[] = []
    const history = new History({
      behind: (info) => {
        told.push(info)
        return { event: 'reload', data: info, retry: 5 }
      },
    })
    const testbed = await serve(history)
    const follower = await join(testbed, 'unknown')
    await count(follower, 1)
    expect(told).toEqual([{ key: 'key', missed: null }])
    const id = history.lastId('key')
    expect(follower.client.responses[0]?.body).toBe(
      `event: reload\nid: ${id}\nretry: 5\ndata: {"key":"key","missed":null}\n\n`,
    )
  })

  test.each<[string, HistoryOptions['behind'] & object, string]>([
    ['throws', () => expect.unreachable('no behind'), 'no behind'],
    ['gives an id', () => ({ id: 'x', data: 1 }) as HistoryEvent, 'since a History gives the ids'],
    ['gives no event', () => undefined as never, 'Not an event: undefined'],
  ])('that %s ends the stream as error, and that stream only', async (_, behind, message) => {
    const history = new History({ behind })
    const testbed = await serve(history)
    const other = await join(testbed)
    await other.placed()
    const follower = await join(testbed, 'unknown')
    await follower.client.response()
    const { reason, error } = await testbed.closeInfo()
    expect({ reason, message: (error as Error).message }).toEqual({
      reason: 'error',
      message: expect.stringContaining(message) as string,
    })
    history.push('key', 'x')
    await count(other, 1)
    expect(history.stats().followers).toBe(1)
  })
})

describe('on workers', () => {
  test('a follower is a closure, and refused as such', async () => {
    const testbed = await serve(new History(), { executor: 'workers' })
    const { status, body } = await testbed.request('/key')
    expect(status).toBe(500)
    expect(JSON.parse(body)).toMatchObject({ code: 'HF_ERR_PRODUCER_NOT_PORTABLE' })
  })

  test('a portable producer follows a history of its thread, until its client leaves', async () => {
    const testbed = await Testbed.make()
    testbed.app.get('/', { sse: { executor: 'workers' } }, async (_, reply) => reply.sse(ticks))
    const follower = new Follower(testbed, '/')
    await follower.connect()
    await count(follower, 3)
    expect(datas(follower)).toEqual(['1', '2', '3'])
    follower.cut()
    expect((await testbed.closeInfo()).reason).toBe('client')
    await testbed.idle()
  })
})
