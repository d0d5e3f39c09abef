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
  const nears = new WeakMap()
  let current
  let count = 0

  const start = () => {
    const child = fork(CHILD, { serialization: 'advanced' })
    const started = { child, streams: new Map() }
    const { streams } = started
    child.on('message', ({ stream, frame }) => {
      const near = streams.get(stream)
      near?.take(frame)
      if (near?.isOver) streams.delete(stream)
    })
    const retire = () => {
      if (current === started) current = undefined
    }
    const lose = (error) => {
      retire()
      for (const near of streams.values()) near.lose(error)
      streams.clear()
    }
    child.once('disconnect', retire)
    // 'close' comes after its last message, 'exit' may come before.
    child.once('close', (code, signal) => lose(new Error(`the process has ended (${signal ?? code})`)))
    child.on('error', (error) => {
      // It has not started. Any later error is a message that came too late for it, and 'close' follows.
      if (child.pid === undefined) lose(error)
    })
    return started
  }

  return {
    prepare: (task) => checkPortable(task, { sharedMemory: false }),
    run(task) {
      current ??= start()
      const { child, streams } = current
      const stream = ++count
      const near = new NearEnd(task, (message) => child.send({ stream, message }))
      nears.set(task, near)
      streams.set(stream, near)
    },
    cancel(task, reason) {
      nears.get(task)?.cancel(reason)
    },
    async close(graceMs) {
      // All producers are cancelled by now. They may finish until the deadline.
      const deadline = Date.now() + graceMs
      while (current?.streams.size > 0 && Date.now() < deadline) await pass(10)
      current?.child.kill()
    },
  }
}
