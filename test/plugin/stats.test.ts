import { describe, expect, test } from 'vitest'
import type { EventStream, Executor } from '../../src/index.ts'
import { get } from '../support/raw-client.ts'
import { Testbed } from '../support/testbed.ts'
import { EXECUTORS } from '../support/executors.ts'
import { one } from '../support/producers/closures.ts'

describe('app.sse.stats()', () => {
  test('counts streams while they run and when they are over', async () => {
    const testbed = await Testbed.make()
    const { app } = testbed
    let stream: EventStream | undefined
    app.get('/', { sse: { executor: 'deferred' } }, async (_, reply) =>
      reply.sse((opened: EventStream) => {
        stream = opened
        opened.send('é')
      }),
    )
    expect(app.sse.stats()).toEqual({
      executors: Object.fromEntries(
        EXECUTORS.map((name) => [
          name,
          {
            running: 0,
            waiting: 0,
            admitted: 0,
            refused: 0,
            lost: 0,
            ...(name === 'workers' && { threads: 0 }),
          },
        ]),
      ),
      routes: { 'GET /': { open: 0, opened: 0, closed: {}, events: 0, bytes: 0, dropped: 0 } },
    })

    const [staying, leaving] = [await testbed.connect(), await testbed.connect()]
    leaving.send(get('/'))
    await leaving.including('é')
    staying.send(get('/'))
    await staying.including('é')
    expect(app.sse.stats().executors['deferred']).toMatchObject({ running: 2, waiting: 0, admitted: 2 })
    expect(app.sse.stats().routes['GET /']).toMatchObject({ open: 2, opened: 2, closed: {} })
    leaving.destroy()
    await testbed.closeInfo(0)
    stream?.close()
    await testbed.closeInfo(1)
    await testbed.idle()
    const stats = app.sse.stats()
    expect(stats.routes['GET /']).toEqual({
      open: 0,
      opened: 2,
      closed: { client: 1, ended: 1 },
      events: 2,
      bytes: 20,
      dropped: 0,
    })
    // What was answered is a copy.
    stats.routes['GET /']!.closed.client = 99
    expect(app.sse.stats().routes['GET /']?.closed.client).toBe(1)
  })

  test('counts what an executor has refused', async () => {
    const full: Executor = {
      admit() {
        throw Object.assign(new Error('no room'), { statusCode: 503 })
      },
      run: (task) => void task.produce(),
    }
    const testbed = await Testbed.make({ executor: 'full', executors: { full } })
    testbed.app.get('/', { sse: true }, async (_, reply) => reply.sse(one))
    expect((await testbed.request('/')).status).toBe(503)
    await testbed.idle()
    expect(testbed.app.sse.stats()).toMatchObject({
      executors: { full: { running: 0, waiting: 0, admitted: 0, refused: 1 } },
      routes: { 'GET /': { open: 0, opened: 0 } },
    })
    expect(testbed.closed).toEqual([])
  })
})
