import { test } from 'vitest'
import { deferred, inline, microtask, workers } from '../../src/index.ts'
import { executorContract } from '../../src/testing/index.ts'

executorContract('inline', () => inline(), test)
executorContract('microtask', () => microtask(), test)
executorContract('deferred', () => deferred(), test)
executorContract('workers', () => workers(), test)
executorContract('workers, one stream per thread', () => workers({ threads: 2, streamsPerThread: 1 }), test)
