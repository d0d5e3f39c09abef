/**
 * The baseline of the way back from a worker: an executor on one thread of its own that sends each event in a
 * message of its own. That is the obvious way, and what headfirst's ring replaces; all else is the same: the
 * encoder and the `EventStream` on the worker, the sink on the server's thread, its flush mode, its high-water mark.
 *
 * It is as cheap as a message per event can be: an event is a bare string, on a port that only its stream uses.
 * It has no cancellation and no bounds, and does not survive its thread.
 */
import { portability, type Executor, type Portability, type Task } from 'headfirst'
import { extname } from 'node:path'
import { MessageChannel, Worker } from 'node:worker_threads'
import type { FromThread, Order } from './thread.ts'

/** Its thread starts with its first stream. */
export function naive(): Executor {
  let worker: Worker | undefined
  return {
    run(task) {
      worker ??= new Worker(new URL(`./thread${extname(import.meta.url)}`, import.meta.url))
      start(worker, task)
    },
    async close() {
      await worker?.terminate()
    },
  }
}

function start(worker: Worker, task: Task): void {
  const { port1, port2 } = new MessageChannel()
  const { sink, input, lastEventId, context } = task
  port1.on('message', (message: FromThread) => {
    if (typeof message === 'string') {
      sink.write(message, 1)
      return
    }
    switch (message.kind) {
      case 'start':
        task.start()
        break
      case 'behind':
        void sink.ready().then((open) => port1.postMessage(open))
        break
      case 'done':
        port1.close()
        if (message.error === undefined) task.end()
        else task.fail(message.error)
        break
      default:
        message satisfies never
    }
  })
  const { module, name = 'default' } = portability(task.producer) as Portability
  const { highWaterMark } = task.options
  const order: Order = { port: port2, module, name, input, lastEventId, context, highWaterMark }
  worker.postMessage(order, [port2])
}
