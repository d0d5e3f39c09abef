/** The thread of `post-message.ts`: posts as many strings as it is asked for, and does nothing else. */
import { parentPort } from 'node:worker_threads'

export interface PostMessagesPlan {
  messages: number
  /** Of each message's text, which is ASCII. */
  bytes: number
}

parentPort?.on('message', ({ messages, bytes }: PostMessagesPlan) => {
  // Made anew each time, as an encoder would.
  for (let number = 0; number < messages; number++) parentPort?.postMessage(`${number} `.padEnd(bytes, '.'))
})
