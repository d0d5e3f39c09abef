import { test } from 'vitest'
import { deferred, inline, microtask, workers } from '../../src/index.ts'
import { executorContract } from '../../src/testing/index.ts'
import { Linked } from '../support/linked-executor.ts'

executorContract('inline', () => inline(), test)
executorContract('microtask', () => microtask(), test)
executorContract('deferred', () => deferred(), test)
// Threads at the server's own priority, so that a busy machine lets them run.
executorContract('workers', () => workers({ niceIncrement: 0 }), test)
executorContract(
  'workers, one stream per thread',
  () => workers({ threads: 2, streamsPerThread: 1, niceIncrement: 0 }),
  test,
)
// Each event in a message of its own: the contract does not ask for a ring.
executorContract('over a link', () => new Linked(), test)
