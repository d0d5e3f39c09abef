import { Stream, type StreamOwner } from '../client/stream.ts'

/** More than so many events of one stream are not drawn. */
const MOST_MARKS = 200

/** A stream of a run, with its place in it. */
export class ScheduledStream extends Stream {
  /** Place in the schedule. */
  readonly arrival: number
  /** From 0 to 1, of the time that counts; negative in the warm-up. */
  readonly share: number
  /** When events came; only where it is watched. */
  readonly marksMs: number[] | undefined

  constructor(owner: StreamOwner, arrival: number, intendedMs: number, share: number, isWatched: boolean) {
    super(owner, intendedMs)
    this.arrival = arrival
    this.share = share
    this.marksMs = isWatched ? [] : undefined
  }

  /** It began after the warm-up. */
  get counts(): boolean {
    return this.share >= 0
  }

  /** Events have come, all at once. */
  mark(events: number): void {
    for (let mark = 0; mark < events && this.marksMs !== undefined; mark++) {
      if (this.marksMs.length >= MOST_MARKS) return
      this.marksMs.push(this.lastEventMs as number)
    }
  }
}
