/** Subscribers of an app, and the moments of its event loop. */
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { microtask } from '../../src/index.ts'
import { ExecutorSlot } from '../../src/runtime/executor-slot.ts'
import type { BlockedLoop } from '../../src/runtime/loop-watch.ts'
import { Observation, type Subscriber } from '../../src/runtime/observation.ts'

const BLOCKED_MS = 40

const stream = (route: string): Parameters<NonNullable<ExecutorSlot['moments']['head']>>[0] => ({
  executor: 'own',
  route,
  context: { requestId: '1', route },
  lastEventId: undefined,
})

/** Holds this thread for so long. */
const block = (ms: number): void => {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms)
}

/** An observation that is closed after the test, its executor, and what its one subscriber got of the loop. */
function observed(): { observation: Observation; slot: ExecutorSlot; blocks: BlockedLoop[] } {
  const blocks: BlockedLoop[] = []
  const observation = new Observation(
    [{ watch: () => ({}), loopBlocked: (blocked) => void blocks.push(blocked) }],
    BLOCKED_MS,
  )
  onTestFinished(() => observation.close())
  const slot = new ExecutorSlot('own', microtask())
  observation.observe(slot)
  return { observation, slot, blocks }
}

describe('an observation', () => {
  test('asks each subscriber once for the moments of an executor, and calls all of them', () => {
    const calls: string[] = []
    const subscriber = (name: string): Subscriber => ({
      watch: (slot) => {
        calls.push(`${name} watches ${slot.name}`)
        return { head: ({ route }) => void calls.push(`${name}: ${route}`) }
      },
    })
    const observation = new Observation([subscriber('one'), subscriber('two')], BLOCKED_MS)
    const slot = new ExecutorSlot('own', microtask())
    observation.observe(slot)
    slot.moments.head?.(stream('GET /'))
    expect(calls).toEqual(['one watches own', 'two watches own', 'one: GET /', 'two: GET /'])
  })

  test('does not watch the loop for subscribers that take no moments of it', () => {
    const timers = vi.spyOn(globalThis, 'setInterval')
    onTestFinished(() => timers.mockRestore())
    const observation = new Observation([{ watch: () => ({}) }], BLOCKED_MS)
    observation.observe(new ExecutorSlot('own', microtask()))
    observation.look()
    observation.close()
    expect(timers).not.toHaveBeenCalled()
  })
})

describe('a blocked loop is reported', () => {
  test('with the route of a producer that has held the thread, once', () => {
    const { observation, slot, blocks } = observed()
    slot.moments.started?.(stream('GET /slow'), { waitedMs: 0, here: true })
    block(2 * BLOCKED_MS)
    slot.moments.held?.(stream('GET /slow'), 2 * BLOCKED_MS)
    slot.moments.done?.(stream('GET /slow'))
    observation.look()
    expect(blocks.map(({ forMs, routes }) => ({ forMs, routes }))).toEqual([
      { forMs: 2 * BLOCKED_MS, routes: ['GET /slow'] },
    ])
    expect(Math.abs(Date.now() - (blocks[0]?.atMs ?? 0))).toBeLessThan(60_000)
  })

  test('with the routes whose producers were on the thread meanwhile, where it is not known which', () => {
    const { observation, slot, blocks } = observed()
    for (const route of ['GET /a', 'GET /a', 'GET /b']) {
      slot.moments.started?.(stream(route), { waitedMs: 0, here: true })
    }
    slot.moments.started?.(stream('GET /elsewhere'), { waitedMs: 0, here: false })
    slot.moments.done?.(stream('GET /b'))
    block(2 * BLOCKED_MS)
    observation.look()
    expect(blocks.map(({ routes }) => routes)).toEqual([['GET /a', 'GET /b']])
    slot.moments.done?.(stream('GET /a'))
    block(2 * BLOCKED_MS)
    observation.look()
    // One of its two producers is still there; that of /b has gone before.
    expect(blocks.map(({ routes }) => routes).slice(1)).toEqual([['GET /a']])
  })

  test('without a route where no producer was on the thread', () => {
    const { observation, blocks } = observed()
    block(2 * BLOCKED_MS)
    observation.look()
    expect(blocks.map(({ routes }) => routes)).toEqual([[]])
  })

  test('without a question, by a timer that comes late', async () => {
    const { blocks } = observed()
    block(2 * BLOCKED_MS)
    await vi.waitFor(() => expect(blocks.length).toBeGreaterThan(0))
  })

  test('only from blockedMs on', () => {
    const { observation, slot, blocks } = observed()
    slot.moments.held?.(stream('GET /quick'), BLOCKED_MS - 1)
    observation.look()
    expect(blocks.filter(({ routes }) => routes.includes('GET /quick'))).toEqual([])
  })
})
