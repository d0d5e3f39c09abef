import { describe, expect, test } from 'vitest'
import type { EventStream, RetryRange, SseRouteOptions } from '../../src/index.ts'
import { Testbed } from '../support/testbed.ts'

const one = async (stream: EventStream): Promise<void> => {
  stream.send('one')
}

/** What streams of a route are told, one after the other. */
async function retries(retryMs: number | RetryRange, count: number): Promise<number[]> {
  const testbed = await Testbed.make()
  testbed.app.get('/', { sse: { retryMs } }, async (_, reply) => reply.sse(one))
  const told: number[] = []
  for (let n = 0; n < count; n++) {
    const { body } = await testbed.request('/')
    expect(body).toMatch(/^retry: \d+\ndata: one\n\n$/)
    told.push(Number(/\d+/.exec(body)?.[0]))
  }
  return told
}

test('a number is what every client is told, before any event', async () => {
  expect(await retries(5, 3)).toEqual([5, 5, 5])
})

test('with bounds each client draws its own, and both bounds are possible', async () => {
  // That one of the three never comes in 100 draws has a probability of 10^-17.
  expect(new Set(await retries({ min: 10, max: 12 }, 100))).toEqual(new Set([10, 11, 12]))
})

test.each([0, 5])('bounds that are both %o leave one number', async (ms) => {
  expect(await retries({ min: ms, max: ms }, 3)).toEqual([ms, ms, ms])
})

test('the widest bounds give whole numbers within them', async () => {
  for (const ms of await retries({ min: 0, max: Number.MAX_SAFE_INTEGER }, 20)) {
    expect(Number.isSafeInteger(ms)).toBe(true)
  }
})

test('it comes before what onOpen sends', async () => {
  const testbed = await Testbed.make({ retryMs: { min: 7, max: 7 } })
  const sse: SseRouteOptions = { onOpen: (stream) => void stream.send('first') }
  testbed.app.get('/', { sse }, async (_, reply) => reply.sse(one))
  expect((await testbed.request('/')).body).toBe('retry: 7\ndata: first\n\ndata: one\n\n')
})

describe('layers', () => {
  test('bounds of a route replace those of the plugin as a whole', async () => {
    const testbed = await Testbed.make({ retryMs: { min: 1, max: 1 } })
    testbed.app.get('/plain', { sse: true }, async (_, reply) => reply.sse(one))
    testbed.app.get('/own', { sse: { retryMs: { min: 2, max: 2 } } }, async (_, reply) => reply.sse(one))
    testbed.app.get('/number', { sse: { retryMs: 3 } }, async (_, reply) => reply.sse(one))
    expect((await testbed.request('/plain')).body).toMatch(/^retry: 1\n/)
    expect((await testbed.request('/own')).body).toMatch(/^retry: 2\n/)
    expect((await testbed.request('/number')).body).toMatch(/^retry: 3\n/)
  })

  test('bounds and limits are copied: what is changed later has no effect', async () => {
    const retryMs = { min: 1, max: 1 }
    const timeouts = { totalMs: 0 }
    const testbed = await Testbed.make()
    testbed.app.get('/', { sse: { retryMs, timeouts } }, async (_, reply) => reply.sse(one))
    retryMs.min = retryMs.max = 9
    timeouts.totalMs = -1
    expect((await testbed.request('/')).body).toMatch(/^retry: 1\n/)
    expect((await testbed.closeInfo()).reason).toBe('ended')
  })
})
