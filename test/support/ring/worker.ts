import { Worker } from 'node:worker_threads'
import { afterAll, beforeAll } from 'vitest'

/** The other thread of all tests of a block: started before the first, ended after the last. */
export function otherThread(script: URL): () => Worker {
  let worker: Worker
  beforeAll(() => void (worker = new Worker(script)))
  afterAll(async () => void (await worker.terminate()))
  return () => worker
}
