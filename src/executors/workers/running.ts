import type { Task } from '../../runtime/executor.ts'
import { Incoming } from '../elsewhere/incoming.ts'
import type { Creditor } from './credit.ts'

/** A stream that was given to a thread. */
export class Running extends Incoming {
  declare readonly task: Task
  /** The number of the stream in its frames. */
  readonly stream: number
  readonly cell: number
  readonly credit: Creditor
  /** When it was given to its thread, and when its wait would have ended, on the clock of `performance.now()`. */
  readonly since: number = performance.now()
  readonly until: number
  /** Defined once the stream was cancelled: the timer that terminates its thread. */
  grace: NodeJS.Timeout | undefined

  constructor(task: Task, until: number, place: { stream: number; cell: number; credit: Creditor }) {
    super(task)
    this.until = until
    this.stream = place.stream
    this.cell = place.cell
    this.credit = place.credit
  }
}
