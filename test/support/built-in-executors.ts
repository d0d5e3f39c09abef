import { deferred, inline, microtask, workers, type Executor } from '../../src/index.ts'
import type { EXECUTORS } from './executors.ts'

/** Makes each built-in executor, for a test that wraps or names it. */
export const BUILT_IN: Readonly<Record<(typeof EXECUTORS)[number], () => Executor>> = {
  inline,
  microtask,
  deferred: () => deferred(),
  // On a machine with much else to do, threads of a lower priority would hardly run at all.
  workers: () => workers({ threads: 1, niceIncrement: 0 }),
}
