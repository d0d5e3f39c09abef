import { describe, expect, test } from 'vitest'
import { ExecutorSlot } from '../../src/runtime/executor-slot.ts'
import type { Executor, ExecutorLoad, Task, ThreadMoments } from '../../src/runtime/executor.ts'
import { withResolvers } from '../support/with-resolvers.ts'
import { turn } from '../support/waiting.ts'
import { errorOf } from '../support/errors.ts'

/** A slot only asks whether two tasks are the same one. */
const task = (route = 'GET /'): Task => ({ route }) as Task

/** A slot whose executor has these capabilities. */
const slotOf = (capabilities: Partial<Executor> = {}): ExecutorSlot =>
  new ExecutorSlot('mine', { run: () => {}, ...capabilities })

const NOTHING: ExecutorLoad = { running: 0, waiting: 0, admitted: 0, refused: 0, lost: 0 }

describe('a slot', () => {
  test.each<[unknown, string]>([
    [undefined, 'undefined'],
    [null, 'null'],
    ['inline', '"inline"'],
    [{}, 'an object (Object)'],
    [{ run: true }, 'an object (Object)'],
    [() => {}, 'function (anonymous)'],
  ])('takes no %o for an executor', (executor, shown) => {
    expect(() => new ExecutorSlot('mine', executor as Executor)).toThrow(
      expect.objectContaining({
        code: 'HF_ERR_EXECUTOR_INVALID',
        message: expect.stringContaining(shown) as string,
      }),
    )
  })

  test.each(['prepare', 'admit', 'cancel', 'collect', 'stats', 'threadTimes', 'observe', 'close'])(
    'takes no executor whose %s is no function, unless it is undefined',
    (capability) => {
      const executor = (value: unknown): Executor => ({ run: () => {}, [capability]: value })
      expect(() => new ExecutorSlot('mine', executor(true))).toThrow(`one whose ${capability} is true`)
      expect(() => new ExecutorSlot('mine', executor(null))).toThrow(`one whose ${capability} is null`)
      const allowed = [undefined, () => {}].map((value) => new ExecutorSlot('mine', executor(value)))
      expect(allowed.map(({ name }) => name)).toEqual(['mine', 'mine'])
    },
  )
})

describe('observe', () => {
  test('reports the threads of the executor under its name', () => {
    const calls: unknown[][] = []
    let threads: ThreadMoments | undefined
    const slot = slotOf({ observe: (moments) => void (threads = moments) })
    slot.observe([
      { threadUp: (...args) => calls.push(['up', ...args]) },
      { threadGone: (...args) => calls.push(['gone', ...args]) },
    ])
    threads?.threadUp(1)
    const cause = new Error('out of memory')
    threads?.threadGone(1, cause)
    threads?.threadGone(2, undefined)
    expect(calls).toEqual([
      ['up', 'mine', 1],
      ['gone', 'mine', 1, cause],
      ['gone', 'mine', 2, undefined],
    ])
  })

  test.each<[string, 'threadUp' | 'threadGone']>([
    ['only the start of threads', 'threadUp'],
    ['only their end', 'threadGone'],
  ])('reports where a subscriber takes %s', (_, moment) => {
    const calls: unknown[] = []
    let threads: ThreadMoments | undefined
    const slot = slotOf({ observe: (moments) => void (threads = moments) })
    slot.observe([{ [moment]: (_name: string, thread: number) => calls.push(thread) }])
    threads?.threadUp(1)
    threads?.threadGone(1, undefined)
    expect(calls).toEqual([1])
  })

  test('leaves an executor alone where no subscriber takes the moments of threads', () => {
    let observed = 0
    const slot = slotOf({ observe: () => void observed++ })
    slot.observe([{ head: () => {} }])
    expect(observed).toBe(0)
    expect(Object.keys(slot.moments)).toEqual(['head'])
  })

  test('takes an executor that has no threads to report', () => {
    const slot = slotOf()
    slot.observe([{ threadUp: () => {} }])
    expect(Object.keys(slot.moments)).toEqual(['threadUp'])
  })
})

describe('claim', () => {
  test('makes an executor that of one registration, under whatever name', () => {
    const executor: Executor = { run: () => {} }
    new ExecutorSlot('mine', executor).claim()
    const other = new ExecutorSlot('yours', executor)
    expect(() => other.claim()).toThrow(expect.objectContaining({ code: 'HF_ERR_EXECUTOR_TAKEN' }))
    expect(() => other.claim()).toThrow('yours')
    const equal = slotOf()
    equal.claim()
    expect(() => equal.claim()).toThrow('mine')
  })
})

describe('admit', () => {
  test('has a task wait whose executor decides nothing', () => {
    const slot = slotOf()
    const admitted = task()
    expect(slot.admit(admitted)).toBeUndefined()
    expect(slot.isWaiting(admitted)).toBe(true)
    expect(slot.load).toEqual({ ...NOTHING, waiting: 1, admitted: 1 })
  })

  test('asks with the load as it is without the task', () => {
    const asked: [Task, ExecutorLoad][] = []
    const slot = slotOf({ admit: (each, load) => void asked.push([each, load]) })
    const [first, second] = [task('1'), task('2')]
    void slot.admit(first)
    void slot.admit(second)
    expect(asked).toEqual([
      [first, NOTHING],
      [second, { ...NOTHING, waiting: 1, admitted: 1 }],
    ])
  })

  test('throws what the executor refuses with, and counts it', async () => {
    const busy = new Error('no room')
    const slot = slotOf({
      admit: () => {
        throw busy
      },
    })
    const refused = task()
    expect(await errorOf(() => slot.admit(refused))).toBe(busy)
    expect(slot.isWaiting(refused)).toBe(false)
    expect(slot.load).toEqual({ ...NOTHING, refused: 1 })
  })

  test('counts a task as waiting, and not as admitted, until a promise resolves', async () => {
    const { promise, resolve } = withResolvers()
    const slot = slotOf({ admit: () => promise })
    const undecided = task()
    const decision = slot.admit(undecided)
    expect(slot.load).toEqual({ ...NOTHING, waiting: 1 })
    // It cannot start before the executor has agreed.
    expect(slot.isWaiting(undecided)).toBe(false)
    resolve()
    await decision
    expect(slot.isWaiting(undecided)).toBe(true)
    expect(slot.load).toEqual({ ...NOTHING, waiting: 1, admitted: 1 })
  })

  test('rejects with what a promise rejects with, and counts it', async () => {
    const { promise, reject } = withResolvers()
    const slot = slotOf({ admit: () => promise })
    const decision = slot.admit(task())
    reject(new Error('no room'))
    await expect(decision).rejects.toThrow('no room')
    expect(slot.load).toEqual({ ...NOTHING, refused: 1 })
  })

  test('follows whatever has a then(), as the query of a library', async () => {
    let settle: (() => void) | undefined
    // oxlint-disable-next-line unicorn/no-thenable -- a thenable is what is tested
    const query = { then: (resolve: () => void) => void (settle = resolve) }
    const slot = slotOf({ admit: () => query as never })
    const decision = slot.admit(task())
    expect(slot.load.admitted).toBe(0)
    await Promise.resolve()
    settle?.()
    await decision
    expect(slot.load.admitted).toBe(1)
  })
})

describe('a task', () => {
  test('waits from its admission, runs from its start, and is neither once it has settled', () => {
    const slot = slotOf()
    const one = task()
    const state = (): boolean[] => [slot.isWaiting(one), slot.isRunning(one)]
    expect(state()).toEqual([false, false])
    void slot.admit(one)
    expect(state()).toEqual([true, false])
    expect(slot.start(one)).toBe(true)
    expect(state()).toEqual([false, true])
    expect(slot.load).toEqual({ ...NOTHING, running: 1, admitted: 1 })
    expect([...slot.running]).toEqual([one])
    expect(slot.settle(one)).toBe(true)
    expect(state()).toEqual([false, false])
    expect(slot.load).toEqual({ ...NOTHING, admitted: 1 })
  })

  test('does not start twice, nor unless it waits', () => {
    const slot = slotOf()
    const one = task()
    expect(slot.start(one)).toBe(false)
    void slot.admit(one)
    expect([slot.start(one), slot.start(one)]).toEqual([true, false])
    slot.settle(one)
    expect(slot.start(one)).toBe(false)
    expect(slot.load).toEqual({ ...NOTHING, admitted: 1 })
  })

  test('that was closed while it waited does not start', () => {
    const slot = slotOf()
    const one = task()
    void slot.admit(one)
    expect(slot.settle(one)).toBe(true)
    expect(slot.start(one)).toBe(false)
    expect(slot.load).toEqual({ ...NOTHING, admitted: 1 })
  })

  test('settles once', () => {
    const slot = slotOf()
    const one = task()
    expect(slot.settle(one)).toBe(false)
    void slot.admit(one)
    slot.start(one)
    expect([slot.settle(one), slot.settle(one)]).toEqual([true, false])
  })
})

describe('idle', () => {
  test('resolves when the last of the running tasks has settled', async () => {
    const slot = slotOf()
    const [first, second] = [task('1'), task('2')]
    for (const each of [first, second]) {
      void slot.admit(each)
      slot.start(each)
    }
    const order: string[] = []
    const idle = slot.idle().then(() => order.push('idle'))
    slot.settle(first)
    await turn()
    order.push('the first has settled')
    slot.settle(second)
    await idle
    expect(order).toEqual(['the first has settled', 'idle'])
  })

  test('resolves at once where none runs: a task that waits was not given to the executor yet', async () => {
    const slot = slotOf()
    await expect(slot.idle()).resolves.toBeUndefined()
    void slot.admit(task())
    await expect(slot.idle()).resolves.toBeUndefined()
  })
})

describe('stats', () => {
  test('are the load, and what only the executor has to add', () => {
    const slot = slotOf({ stats: () => ({ threads: 3 }) })
    void slot.admit(task())
    slot.countLost()
    slot.countLost()
    expect(slot.stats()).toEqual({ ...NOTHING, waiting: 1, admitted: 1, lost: 2, threads: 3 })
    expect(slotOf().stats()).toEqual(NOTHING)
  })
})
