/** A worker that runs a stream for each order that it is sent, and answers with its number when it is done. */
import { parentPort } from 'node:worker_threads'
import open from '../../../src/executors/workers/entry.ts'
import type { StreamOrder } from '../../../src/executors/workers/protocol.ts'

parentPort?.on('message', (message: StreamOrder | 'close') => {
  if (message === 'close') parentPort?.close()
  else void open(message).then(() => parentPort?.postMessage(message.stream))
})
