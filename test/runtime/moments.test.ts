/** The moments of streams: whoever looks at streams is told of each, in order, on every executor. */
import { describe, expect, test, vi } from 'vitest'
import { ExecutorSlot } from '../../src/runtime/executor-slot.ts'
import { allOf, MOMENTS, type Moments } from '../../src/runtime/moments.ts'
import { microtask, type Executor } from '../../src/index.ts'
import { Flag, makeFlags, untilRaised, until } from '../../src/testing/flags.ts'
import { Testbed } from '../support/testbed.ts'
import { EXECUTORS } from '../support/executors.ts'
import { makeReason } from '../support/producers/flagged.ts'
import * as dying from '../support/producers/dying.ts'
import * as endless from '../support/producers/endless.ts'
import * as plain from '../support/producers/plain.ts'

const STREAM = {
  executor: 'x',
  route: 'GET /',
  context: { requestId: '1', route: 'GET /' },
  lastEventId: undefined,
}

describe('allOf()', () => {
  test('calls every subscriber of a moment, in their order, with what it is told', () => {
    const told: unknown[][] = []
    const one: Moments = { head: (...args) => told.push(['one', ...args]) }
    const two: Moments = {
      head: (...args) => told.push(['two', ...args]),
      held: (...args) => told.push(['two', ...args]),
    }
    const moments = allOf([one, {}, two])
    moments.head?.(STREAM)
    moments.held?.(STREAM, 5)
    expect(told).toEqual([
      ['one', STREAM],
      ['two', STREAM],
      ['two', STREAM, 5],
    ])
  })

  test('has nothing to call where nobody subscribes', () => {
    expect(allOf([])).toEqual({})
    expect(Object.keys(allOf([{ closed: () => {} }]))).toEqual(['closed'])
  })

  test('calls a subscriber with itself as this', () => {
    class Counter implements Moments {
      count = 0
      head(): void {
        this.count++
      }
    }
    const counter = new Counter()
    allOf([counter]).head?.(STREAM)
    expect(counter.count).toBe(1)
  })
})

/** The seams of an app, noted by a test: every slot is told of a subscriber before its first route is added. */
async function noted(
  options: Parameters<typeof Testbed.everywhere>[0] = {},
): Promise<{ testbed: Testbed; told: string[] }> {
  const told: string[] = []
  const note =
    (moment: string) =>
    (...args: unknown[]): void =>
      void told.push(moment + describeLast(args))
  const subscriber = Object.fromEntries(MOMENTS.map((moment) => [moment, note(moment)])) as Moments
  // What the plugin does for its own profile is done here for one more subscriber.
  // eslint-disable-next-line typescript/unbound-method -- called with its own this
  const { claim } = ExecutorSlot.prototype
  const spy = vi.spyOn(ExecutorSlot.prototype, 'claim').mockImplementation(function (this: ExecutorSlot) {
    this.observe([subscriber])
    claim.call(this)
  })
  const testbed = await Testbed.everywhere(options)
  spy.mockRestore()
  return { testbed, told }
}

function describeLast(args: unknown[]): string {
  const last = args.at(-1) as { here?: boolean; reason?: string; code?: string } | undefined
  if (typeof last?.here === 'boolean') return last.here ? ' here' : ' elsewhere'
  const word = last?.reason ?? last?.code
  return typeof word === 'string' ? ` ${word}` : ''
}

describe.each(EXECUTORS)('a stream on %s', (executor) => {
  const isHere = executor !== 'workers'

  test('has its moments in their order, once each', async () => {
    const { testbed, told } = await noted({ executor })
    testbed.route('/', plain.count, { events: 3 })
    expect((await testbed.request('/')).body).toContain('data: 2')
    await testbed.idle()
    await until(() => told.includes('closed ended'), 'the close')
    const ofStream = told.filter((moment) => !moment.startsWith('thread'))
    expect(ofStream.slice(0, 2)).toEqual(['admitted', 'head'])
    expect(ofStream.filter((moment) => moment !== 'held' && moment !== 'done')).toEqual([
      'admitted',
      'head',
      isHere ? 'started here' : 'started elsewhere',
      'firstEvent',
      'closed ended',
    ])
    expect(ofStream.filter((moment) => moment === 'held' || moment === 'done').toSorted()).toEqual(
      isHere ? ['done', 'held'] : [],
    )
  })

  test('that is refused has one, with its error', async () => {
    const { testbed, told } = await noted({ executor, maxStreamsPerClient: 1 })
    const flags = makeFlags()
    testbed.route('/', endless.promise, { flags, reason: makeReason() })
    const first = await testbed.ask('/')
    await untilRaised(flags, Flag.STARTED)
    await until(() => told.includes('firstEvent'), 'the first event')
    told.length = 0
    expect((await testbed.request('/')).status).toBe(429)
    expect(told.filter((moment) => !moment.startsWith('thread'))).toEqual(['refused HF_ERR_CLIENT_LIMIT'])
    first.destroy()
    await testbed.closeInfo()
    expect(told).toContain('closed client')
  })
})

test('threads come, and go with what they died of; those that are told to end have no cause', async () => {
  const { testbed, told } = await noted({ executor: 'workers' })
  testbed.route('/', dying.exits, { events: 1 })
  const client = await testbed.ask('/')
  expect((await testbed.closeInfo()).reason).toBe('lost')
  await until(() => told.includes('threadGone HF_ERR_THREAD_LOST'), 'the thread to be gone')
  await until(() => told.filter((moment) => moment === 'threadUp').length >= 2, 'another thread')
  client.destroy()
  await testbed.app.close()
  await until(() => told.includes('threadGone'), 'the threads to end')
})

test('an executor without threads is asked for none, and one that nobody observes is told nothing', () => {
  let observed = 0
  const executor: Executor = { run: () => {}, observe: () => void observed++ }
  new ExecutorSlot('quiet', executor).observe([{ head: () => {} }])
  expect(observed).toBe(0)
  new ExecutorSlot('watched', executor).observe([{ threadUp: () => {} }])
  expect(observed).toBe(1)
  const slot = new ExecutorSlot('plain', microtask())
  slot.observe([{ threadGone: () => {} }])
  expect(Object.keys(slot.moments)).toEqual(['threadGone'])
})
