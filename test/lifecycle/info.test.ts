import { createParser, type EventSourceMessage } from 'eventsource-parser'
import { describe, expect, test } from 'vitest'
import type { CloseInfo } from '../../src/index.ts'
import { varied } from '../../src/testing/producers.ts'
import { until } from '../../src/testing/flags.ts'
import { EXECUTORS } from '../support/executors.ts'
import { Testbed } from '../support/testbed.ts'
import * as plain from '../support/producers/plain.ts'

/** Those that came, in their order: admission, head, start, first event, close. */
function expectInOrder({ timings }: CloseInfo): void {
  const { admittedMs, headMs, startedMs, firstEventMs, closedMs } = timings
  const came = [0, admittedMs, headMs, startedMs, firstEventMs, closedMs].filter((ms) => ms !== undefined)
  expect(came).toEqual(came.toSorted((a, b) => a - b))
}

describe.each(EXECUTORS)('on executor %s', (executor) => {
  test('info counts what the client of a stream that ended has received', async () => {
    const testbed = await Testbed.everywhere({ executor, retryMs: 7 })
    const count = 200
    testbed.route('/', varied, { count })
    const { body } = await testbed.request('/')
    const info = await testbed.closeInfo()
    const decoded: EventSourceMessage[] = []
    const parser = createParser({ onEvent: (event) => decoded.push(event) })
    parser.feed(body)
    expect(info).toMatchObject({ reason: 'ended', executor, dropped: 0, bytes: Buffer.byteLength(body) })
    expect(info).not.toHaveProperty('error')
    expect(info.events).toBe(count)
    // One of six has data that is empty, which the decoder does dispatch.
    expect(decoded).toHaveLength(count)
    expect(Object.values(info.timings).every((ms) => typeof ms === 'number')).toBe(true)
    expectInOrder(info)
    await until(() => testbed.app.sse.stats().routes['GET /']?.open === 0, 'the count')
    expect(testbed.app.sse.stats().routes['GET /']).toEqual({
      open: 0,
      opened: 1,
      closed: { ended: 1 },
      events: count,
      bytes: info.bytes,
      dropped: 0,
    })
  })

  test('info leaves out what a stream did not come to', async () => {
    const testbed = await Testbed.everywhere({ executor })
    testbed.route('/closed', plain.count, { events: 1 }, { onOpen: (stream) => stream.close() })
    testbed.route('/silent', plain.count, { events: 0 })
    await testbed.request('/closed')
    const closed = await testbed.closeInfo(0)
    expect(closed.timings).toMatchObject({ startedMs: undefined, firstEventMs: undefined })
    expectInOrder(closed)
    await testbed.request('/silent')
    const silent = await testbed.closeInfo(1)
    expect(silent).toMatchObject({
      reason: 'ended',
      events: 0,
      bytes: 0,
      timings: { firstEventMs: undefined },
    })
    expect(silent.timings.startedMs).toBeTypeOf('number')
    expectInOrder(silent)
  })

  test('a handlerTimeout cuts no stream, but a handler that is late with it, and one that never comes', async () => {
    const handlerTimeout = 60
    const testbed = await Testbed.everywhere({ executor }, { handlerTimeout })
    const signals: AbortSignal[] = []
    let proceed: (() => void) | undefined
    testbed.app.get('/never', { sse: true }, async ({ signal }) => {
      signals.push(signal)
      return new Promise(() => {})
    })
    testbed.app.get('/late', { sse: true }, async (_, reply) => {
      await new Promise<void>((resolve) => (proceed = resolve))
      return reply.sse(plain.count, { events: 1 })
    })
    testbed.route('/stream', plain.outlasts, { ms: handlerTimeout * 3 })
    testbed.route('/first', plain.outlasts, { ms: 0 })
    // The first head of a producer may wait for a thread that has loaded it.
    while ((await testbed.request('/first')).status !== 200);
    const client = await testbed.ask('/stream')
    expect(await testbed.request('/never')).toMatchObject({ status: 503 })
    expect(signals[0]?.aborted).toBe(true)
    expect(await testbed.request('/late')).toMatchObject({ status: 503 })
    proceed?.()
    expect(await client.response()).toMatchObject({ body: 'data: first\n\ndata: last\n\n', complete: true })
    await testbed.idle()
    expect(testbed.closed.map(({ reason }) => reason)).toEqual(['ended', 'ended'])
  })
})
