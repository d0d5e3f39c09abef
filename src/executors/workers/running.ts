import type { Task } from '../../runtime/executor.ts'
import type { Creditor } from './credit.ts'

/** A stream that a thread was given. */
export interface Running {
  readonly task: Task
  readonly slot: number
  readonly credit: Creditor
  /** When it was given to its thread, and until when it would have waited, on the clock of `performance.now()`. */
  readonly since: number
  readonly until: number
  /** Bytes that came through the ring. */
  received: number
  /** Its client is behind: somebody waits to tell the worker when there is room. */
  behind: boolean
  /** Pieces of an event that is too large for one frame. */
  parts: Uint8Array[]
  /** Its producer has started: before, the thread may be busy with the producer's module. */
  started: boolean
  /** Set when the stream was cancelled: the thread's grace. */
  grace: NodeJS.Timeout | undefined
}
