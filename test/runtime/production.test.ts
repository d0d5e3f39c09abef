/** The producer of a stream, as it is counted. */
import { describe, expect, test } from 'vitest'
import type { Executor, Task } from '../../src/index.ts'
import { ExecutorSlot } from '../../src/runtime/executor-slot.ts'
import { allOf } from '../../src/runtime/moments.ts'
import { Production } from '../../src/runtime/production.ts'

/** A production on an executor of its own, and the order of all calls and moments. */
function made(executor: Partial<Executor> = {}): {
  production: Production
  slot: ExecutorSlot
  admit: () => void
  calls: string[]
} {
  const calls: string[] = []
  const slot = new ExecutorSlot('own', {
    run: () => {},
    cancel: (_task, reason) => void calls.push(`cancel: ${reason}`),
    ...executor,
  })
  const moments = allOf([
    {
      started: (_stream, { here }) => void calls.push(`started ${here ? 'here' : 'elsewhere'}`),
      held: () => void calls.push('held'),
      done: () => void calls.push('done'),
    },
  ])
  // The slot takes any object for a task: nothing of it is read.
  const task = { route: 'GET /' } as Task
  return {
    production: new Production(task, { slot, moments }),
    slot,
    admit: () => void slot.admit(task),
    calls,
  }
}

describe('a production', () => {
  test('waits from its admission, runs from its start, and is counted until it is done', () => {
    const { production, slot, admit, calls } = made()
    expect([production.isWaiting, production.isRunning]).toEqual([false, false])
    admit()
    expect([production.isWaiting, production.isRunning]).toEqual([true, false])
    production.start(performance.now())
    expect([production.isWaiting, production.isRunning]).toEqual([false, true])
    expect(slot.load).toMatchObject({ running: 1, waiting: 0 })
    expect(production.settle()).toBe(true)
    expect(production.settle()).toBe(false)
    expect(slot.load).toMatchObject({ running: 0, waiting: 0, admitted: 1 })
    expect(calls).toEqual(['started elsewhere'])
  })

  test('that was not admitted, or has started, does not start', () => {
    const { production, admit, calls } = made()
    production.start(0)
    expect(production.startedAt).toBeUndefined()
    admit()
    production.start(0)
    const { startedAt } = production
    production.start(0)
    expect(production.startedAt).toBe(startedAt)
    expect(calls).toEqual(['started elsewhere'])
  })

  test('on the server’s thread is started, then called, then held it; its promise resolves when it is done', async () => {
    const { production, admit, calls } = made()
    admit()
    const done = production.startHere(0, () => void calls.push('called'))
    expect(calls).toEqual(['started here', 'called', 'held'])
    const resolved = done.then(() => calls.push('resolved'))
    production.settle()
    await resolved
    expect(calls.slice(3)).toEqual(['done', 'resolved'])
  })

  test('is cancelled once, whether it waits or runs, and is done then if it waits', () => {
    const waiting = made()
    waiting.admit()
    waiting.production.cancel('client')
    waiting.production.cancel('shutdown')
    expect(waiting.calls).toEqual(['cancel: client'])
    expect(waiting.slot.load).toMatchObject({ running: 0, waiting: 0 })
    const running = made()
    running.admit()
    running.production.start(0)
    running.production.cancel('timeout')
    running.production.cancel('client')
    expect(running.calls).toEqual(['started elsewhere', 'cancel: timeout'])
    expect(running.slot.load).toMatchObject({ running: 1 })
  })

  test('that is done, or was never admitted, is not cancelled', () => {
    const { production, admit, calls } = made()
    production.cancel('client')
    admit()
    production.start(0)
    production.settle()
    production.cancel('client')
    expect(calls).toEqual(['started elsewhere'])
  })

  test('that waits is done also where the executor’s cancel() throws', () => {
    const { production, slot, admit } = made({
      cancel: () => {
        throw new Error('from cancel()')
      },
    })
    admit()
    expect(() => production.cancel('client')).toThrow('from cancel()')
    expect(slot.load).toMatchObject({ running: 0, waiting: 0 })
  })
})
