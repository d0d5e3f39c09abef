import { readdirSync } from 'node:fs'
import { ServerResponse } from 'node:http'
import { Socket } from 'node:net'
import { queryObjects } from 'node:v8'
import { MessagePort, Worker } from 'node:worker_threads'
import { Connection } from '../../src/runtime/connection.ts'
import { EventStream } from '../../src/sse/stream.ts'

/** What is alive in this process, or open. */
export interface Living {
  /** What keeps the event loop alive, by kind. */
  handles: Record<string, number>
  /** Threads and open files of the process; undefined where the system does not tell. */
  threads: number | undefined
  files: number | undefined
  /** Bytes, after garbage collection: of the heap, and of what it holds outside of it (shared memory too). */
  heapBytes: number
  externalBytes: number
}

const timer = setTimeout(() => {})
const immediate = setImmediate(() => {})
clearTimeout(timer)
clearImmediate(immediate)

const CLASSES = {
  EventStream,
  Connection,
  ServerResponse,
  Socket,
  AbortSignal,
  // Those that keep nothing alive are no handles, but timers all the same.
  Timeout: timer.constructor,
  Immediate: immediate.constructor,
  SharedArrayBuffer,
  MessagePort,
  Worker,
  Function,
}

/** To be asked when nothing goes on. Needs --expose-gc. */
export async function living(): Promise<Living> {
  for (let n = 0; n < 10; n++) await new Promise((resolve) => setImmediate(resolve))
  // What finalizers let go of is garbage then.
  for (let n = 0; n < 2; n++) {
    globalThis.gc?.()
    await new Promise((resolve) => setImmediate(resolve))
  }
  const handles: Record<string, number> = {}
  for (const type of process.getActiveResourcesInfo()) handles[type] = (handles[type] ?? 0) + 1
  const { heapUsed, external } = process.memoryUsage()
  return {
    handles,
    threads: entriesOf('/proc/self/task'),
    files: entriesOf('/proc/self/fd'),
    heapBytes: heapUsed,
    externalBytes: external,
  }
}

/** Objects on the server's thread, by class. Takes a second or two: each count is a walk over the whole heap. */
export function livingObjects(): Record<string, number> {
  return Object.fromEntries(
    Object.entries(CLASSES).map(([name, ctor]) => [name, queryObjects(ctor as never, { format: 'count' })]),
  )
}

function entriesOf(directory: string): number | undefined {
  return process.platform === 'linux' ? readdirSync(directory).length : undefined
}
