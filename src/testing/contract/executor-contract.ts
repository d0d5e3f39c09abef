/**
 * The contract that every executor keeps, as tests: real server, real sockets, real threads.
 *
 * No clock decides anything here. What has to happen before something else is proven by making the later wait
 * for the earlier: a producer blocks its thread until the client, on a thread of its own, has got an event.
 *
 * Each chapter of the contract has a file; here they are declared one after another.
 */
import type { Executor } from '../../runtime/executor.ts'
import { checkOptions, milliseconds, type Rule } from '../../runtime/option-rules.ts'
import { admission } from './admission.ts'
import { backpressure } from './backpressure.ts'
import { cancellation } from './cancellation.ts'
import { ends } from './ends.ts'
import { events } from './events.ts'
import { head } from './head.ts'
import type { Chapter, Promises } from './promises.ts'
import { requestContext } from './request-context.ts'
import { ContractServer } from './server.ts'

const CHAPTERS: readonly Chapter[] = [
  head,
  events,
  requestContext,
  backpressure,
  ends,
  cancellation,
  admission,
]

/** A runner's `test` function: of `node:test`, vitest, or any that takes a name and an async function. */
export type TestFunction = (name: string, body: () => Promise<void>) => unknown

/** How the contract is tested. */
export interface ExecutorContractOptions {
  /**
   * Whether producers share the server's memory, so that a `SharedArrayBuffer` in their input works. `false` is for an
   * executor that runs them in another process: promises that are seen from inside a producer only are left out then.
   *
   * @default true
   */
  sharedMemory?: boolean
  /**
   * After how long a promise that is neither kept nor broken counts as broken, in ms. From 1.
   *
   * @default 60000
   */
  timeLimitMs?: number
}

const RULES: Readonly<Record<keyof ExecutorContractOptions, Rule>> = {
  sharedMemory: ['true or false', (value) => typeof value === 'boolean'],
  timeLimitMs: milliseconds(1),
}

/** Rejects when a promise takes too long: if an executor forgets a task, the runner would hang without a word otherwise. */
async function within(timeLimitMs: number, promise: string, kept: Promise<void>): Promise<void> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    const hint =
      'Look whether each task that run() gets comes to task.produce(), or to task.start() and then one of task.end(), task.fail() and task.lose().'
    const error = new Error(`Not within ${timeLimitMs} ms: ${promise}. ${hint}`)
    timer = setTimeout(() => reject(error), timeLimitMs)
  })
  try {
    await Promise.race([kept, late])
  } finally {
    clearTimeout(timer)
  }
}

/**
 * Declares the tests of the contract for one executor: call it at the top of a test file.
 *
 * @example
 * import { test } from 'node:test'
 * import { executorContract } from 'headfirst/testing'
 * executorContract('mine', () => mine(), test)
 *
 * @param name of the executor: the titles of the tests begin with it
 * @param make makes a new executor, for one test
 * @param test the runner's own function, which is called once for each promise
 * @throws HF_ERR_OPTION_UNKNOWN, HF_ERR_OPTION_INVALID
 */
export function executorContract(
  name: string,
  make: () => Executor,
  test: TestFunction,
  settings: ExecutorContractOptions = {},
): void {
  const { sharedMemory = true, timeLimitMs = 60_000 } = checkOptions(settings, RULES, 'executorContract()')

  const promises: Promises = {
    any(promise, proof) {
      test(`${name}: ${promise}`, async () => {
        const server = new ContractServer(make())
        const close = async (): Promise<void> => within(timeLimitMs, 'the server closes', server.close())
        try {
          await within(timeLimitMs, promise, proof(server))
        } catch (error) {
          // An executor that breaks a promise often does not close either: that would hide what it breaks.
          await close().catch(() => {})
          throw server.explain(error)
        }
        await close()
      })
    },
    shared(promise, proof) {
      if (sharedMemory) promises.any(promise, proof)
    },
  }
  for (const declare of CHAPTERS) declare(promises)
}
