import { isMainThread } from 'node:worker_threads'

/** Not on a thread that headfirst has started. Tests themselves need not run on the main thread: see `npm run mutate`. */
export const onTheTestThread: boolean = isMainThread || '__vitest_worker__' in globalThis
