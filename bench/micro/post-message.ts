/**
 * A bare loop of `postMessage` from a worker thread, a string for each event: what a thread's way back can be at
 * best that sends each event in a message, with no encoder, no stream and no HTTP.
 */
import { extname } from 'node:path'
import { Worker } from 'node:worker_threads'
import { mainThreadCpuMs } from '../servers/thread-cpu.ts'
import type { PostMessagesPlan } from './post-message-thread.ts'

export interface PostMessagesCost {
  /** From the order to the thread to the last message. */
  tookMs: number
  /** CPU time of the receiving thread; NaN where it can't be measured. */
  mainCpuMs: number
}

const WARM_UP_SHARE = 0.1

/** @throws when a message is lost, or comes out of order */
export async function postMessages({ messages, bytes }: PostMessagesPlan): Promise<PostMessagesCost> {
  const worker = new Worker(new URL(`./post-message-thread${extname(import.meta.url)}`, import.meta.url))
  try {
    await receive(worker, { messages: Math.ceil(messages * WARM_UP_SHARE), bytes })
    const cpuMs = mainThreadCpuMs() ?? NaN
    const began = performance.now()
    await receive(worker, { messages, bytes })
    return { tookMs: performance.now() - began, mainCpuMs: (mainThreadCpuMs() ?? NaN) - cpuMs }
  } finally {
    await worker.terminate()
  }
}

async function receive(worker: Worker, plan: PostMessagesPlan): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    let received = 0
    const take = (text: string): void => {
      if (text.length !== plan.bytes) reject(new Error(`A message of ${text.length} characters has come`))
      if (++received < plan.messages) return
      worker.off('message', take).off('error', reject)
      resolve()
    }
    worker.on('message', take).on('error', reject)
    worker.postMessage(plan)
  })
}
