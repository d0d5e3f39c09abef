import { parentPort } from 'node:worker_threads'
import { FarEnd } from '../../src/executors/elsewhere/index.ts'
import type { FromThread, ToThread } from './linked-executor.ts'

const ends = new Map<number, FarEnd>()

parentPort?.on('message', ({ stream, message }: ToThread) => {
  if (!('order' in message)) {
    ends.get(stream)?.take(message)
    return
  }
  const far = new FarEnd(message.order, (frame) =>
    parentPort?.postMessage({ stream, frame } satisfies FromThread),
  )
  ends.set(stream, far)
  void far.run().then(() => ends.delete(stream))
})
