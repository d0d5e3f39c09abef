/**
 * Runs all producers in one child process. If they leak, crash or block, the server is not affected. The process starts
 * with the first stream, and starts again after it has died.
 */
import { fork } from 'node:child_process'
import { setTimeout as pass } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { checkPortable, NearEnd } from 'headfirst/elsewhere'

const CHILD = fileURLToPath(new URL('child.js', import.meta.url))

export function inAProcess() {
  const streams = new Map()
  const numbers = new Map()
  let child
  let count = 0

  const forget = (stream) => {
    numbers.delete(streams.get(stream)?.task)
    streams.delete(stream)
  }

  const gone = (error) => {
    child = undefined
    for (const [stream, { near }] of streams) {
      forget(stream)
      near.lose(error)
    }
  }

  const start = () => {
    const started = fork(CHILD, { serialization: 'advanced' })
    started.on('message', ({ stream, frame }) => {
      const { near } = streams.get(stream) ?? {}
      near?.take(frame)
      if (near?.isOver) forget(stream)
    })
    started.once('exit', (code, signal) => gone(new Error(`the process has ended (${signal ?? code})`)))
    started.once('error', gone)
    return started
  }

  return {
    prepare: checkPortable,
    run(task) {
      child ??= start()
      const stream = ++count
      numbers.set(task, stream)
      streams.set(stream, { task, near: new NearEnd(task, (message) => child?.send({ stream, message })) })
    },
    cancel(task, reason) {
      streams.get(numbers.get(task))?.near.cancel(reason)
    },
    async close(graceMs) {
      // All producers are cancelled by now. They may finish until the deadline.
      const deadline = Date.now() + graceMs
      while (streams.size > 0 && Date.now() < deadline) await pass(10)
      child?.kill()
    },
  }
}
