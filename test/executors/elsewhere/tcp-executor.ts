import { connect, type Socket } from 'node:net'
import type { CloseReason, Executor, Task } from '../../../src/index.ts'
import { checkPortable, NearEnd } from '../../../src/executors/elsewhere/index.ts'
import { encodeMessage, onMessages } from './tcp-messages.ts'
import type { FromThread } from '../../support/linked-executor.ts'

interface Link {
  socket: Socket
  streams: Map<number, NearEnd>
}

/** An executor over TCP. The link opens with the first stream, and again after it has broken. */
export class OverTcp implements Executor {
  readonly #nears = new WeakMap<Task, NearEnd>()
  readonly #port: () => number
  #count = 0
  link: Link | undefined

  constructor(port: () => number) {
    this.#port = port
  }

  prepare(task: Task): Promise<void> | undefined {
    return checkPortable(task, { sharedMemory: false })
  }

  run(task: Task): void {
    const { socket, streams } = (this.link ??= this.#open())
    const stream = ++this.#count
    const near = new NearEnd(task, (message) => socket.write(encodeMessage({ stream, message })))
    this.#nears.set(task, near)
    streams.set(stream, near)
  }

  cancel(task: Task, reason: CloseReason): void {
    this.#nears.get(task)?.cancel(reason)
  }

  close(): void {
    this.link?.socket.destroy()
  }

  #open(): Link {
    const socket = connect(this.#port(), '127.0.0.1')
    const link = { socket, streams: new Map<number, NearEnd>() }
    onMessages(socket, (received) => {
      const { stream, frame } = received as FromThread
      const near = link.streams.get(stream)
      near?.take(frame)
      if (near?.isOver === true) link.streams.delete(stream)
    })
    socket.on('error', () => {})
    socket.on('close', () => {
      if (this.link === link) this.link = undefined
      for (const near of link.streams.values()) near.lose(new Error('the link is closed'))
    })
    return link
  }
}
