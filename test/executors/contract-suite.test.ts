/** The contract suite with executors that break the contract, or cannot share memory. */
import { expect, test } from 'vitest'
import { inline, type Executor } from '../../src/index.ts'
import { executorContract, type ExecutorContractOptions } from '../../src/testing/index.ts'
import { Linked } from '../support/linked-executor.ts'

/** The suite's tests, by name, to be run one by one. */
function declared(make: () => Executor, options?: ExecutorContractOptions): Map<string, () => Promise<void>> {
  const tests = new Map<string, () => Promise<void>>()
  executorContract('subject', make, (name, body) => void tests.set(name, body), options)
  return tests
}

const throwing = (): void => {
  throw new Error('run failed')
}

const GENERATOR = 'subject: a generator is sent to its end, at the pace of the client'

test('an executor that forgets its tasks fails in time, with what to check', async () => {
  const tests = declared(() => ({ run: () => {} }), { timeLimitMs: 300 })
  await expect(tests.get(GENERATOR)?.()).rejects.toThrow(
    'Not within 300 ms: a generator is sent to its end, at the pace of the client. Look whether each task that run() gets',
  )
})

test('one that throws fails at once', async () => {
  await expect(declared(() => ({ run: throwing })).get(GENERATOR)?.()).rejects.toThrow(
    'The server has logged: run failed',
  )
})

test('without shared memory only such promises are tested as need none', async () => {
  const all = declared(inline)
  const some = declared(inline, { sharedMemory: false })
  expect(some.size).toBeGreaterThan(10)
  expect(some.size).toBeLessThan(all.size)
  for (const [name, body] of some) {
    expect(all.has(name)).toBe(true)
    await body()
  }
})

test('one that passes no cancel on to its far end fails, also without shared memory', async () => {
  class Deaf extends Linked {
    override cancel(): void {}
  }
  const tests = declared(() => new Deaf(), { sharedMemory: false, timeLimitMs: 1_500 })
  const promise = 'a producer whose client leaves is done soon, and its task no longer counts'
  await expect(tests.get(`subject: ${promise}`)?.()).rejects.toThrow(`Not within 1500 ms: ${promise}`)
})

test.each([
  [{ timeLimitMs: 0 }, 'Option "timeLimitMs" in executorContract() must be'],
  [{ sharedMemory: 1 }, 'Option "sharedMemory" in executorContract() must be true or false'],
  [{ memory: true }, 'Unknown option "memory" in executorContract()'],
])('%o is refused', (options, message) => {
  expect(() => declared(inline, options as ExecutorContractOptions)).toThrow(message)
})
