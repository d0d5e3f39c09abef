/** An executor over a link: producers run at its far end, on a thread, and each event is a message. */
import { Worker } from 'node:worker_threads'
import type { Executor, Task } from '../../src/index.ts'
import { checkPortable, NearEnd, type Frame, type ToFarEnd } from '../../src/executors/elsewhere/index.ts'

/** What goes over the link, with the number of its stream. */
export interface ToThread {
  stream: number
  message: ToFarEnd
}
export interface FromThread {
  stream: number
  frame: Frame
}

/** Its thread starts with the first stream, and is not replaced. */
export class Linked implements Executor {
  readonly #tasks = new Map<Task, NearEnd>()
  readonly #ends = new Map<number, { near: NearEnd; task: Task }>()
  worker: Worker | undefined
  #count = 0
  #onIdle: (() => void) | undefined
  /** What went to the far end, in order. */
  readonly sent: ToFarEnd[] = []

  prepare(task: Task): Promise<void> | undefined {
    return checkPortable(task)
  }

  run(task: Task): void {
    const worker = (this.worker ??= this.#start())
    const stream = ++this.#count
    const near = new NearEnd(task, (message) => {
      this.sent.push(message)
      worker.postMessage({ stream, message } satisfies ToThread)
    })
    this.#ends.set(stream, { near, task })
    this.#tasks.set(task, near)
  }

  cancel(task: Task, reason: Parameters<NearEnd['cancel']>[0]): void {
    this.#tasks.get(task)?.cancel(reason)
  }

  /** Producers are cancelled already, and may come to their end. */
  async close(graceMs: number): Promise<void> {
    if (this.#ends.size > 0) {
      await new Promise<void>((resolve) => {
        this.#onIdle = resolve
        setTimeout(resolve, graceMs).unref()
      })
    }
    await this.worker?.terminate()
  }

  #start(): Worker {
    const worker = new Worker(new URL('linked-thread.ts', import.meta.url))
    worker.unref()
    worker.on('message', ({ stream, frame }: FromThread) => {
      const end = this.#ends.get(stream)
      end?.near.take(frame)
      if (end?.near.isOver === true) this.#forget(stream)
    })
    worker.on('exit', (code) => {
      for (const [stream, { near }] of this.#ends) {
        this.#forget(stream)
        near.lose(new Error(`the far end is gone (${code})`))
      }
    })
    return worker
  }

  #forget(stream: number): void {
    const end = this.#ends.get(stream)
    this.#ends.delete(stream)
    if (end !== undefined) this.#tasks.delete(end.task)
    if (this.#ends.size === 0) this.#onIdle?.()
  }
}
