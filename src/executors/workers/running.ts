import type { Task } from '../../runtime/executor.ts'
import { Incoming } from '../elsewhere/incoming.ts'
import type { Creditor } from './credit.ts'

/** A stream that a thread was given. */
export class Running extends Incoming {
  declare readonly task: Task
  /** Its number in the frames. */
  readonly stream: number
  readonly slot: number
  readonly credit: Creditor
  /** When it was given to its thread, and until when it would have waited, on the clock of `performance.now()`. */
  readonly since: number = performance.now()
  readonly until: number
  /** Set when the stream was cancelled: the thread's grace. */
  grace: NodeJS.Timeout | undefined

  constructor(task: Task, until: number, place: { stream: number; slot: number; credit: Creditor }) {
    super(task)
    this.until = until
    this.stream = place.stream
    this.slot = place.slot
    this.credit = place.credit
  }
}
