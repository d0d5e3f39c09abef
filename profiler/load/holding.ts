import { Connection } from '../client/connection.ts'
import type { EventBody } from '../client/event-body.ts'
import { EventScanner } from '../client/event-scanner.ts'
import { requestOf } from '../client/request.ts'
import { Stream, type StreamOwner } from '../client/stream.ts'
import { nowMs } from '../clock.ts'
import type { End, Plan } from '../plan.ts'
import { severally } from './severally.ts'

/** How many of the streams that are to be held are opened at a time. */
const HELD_AT_A_TIME = 50
/** How long each of them waits for its head. */
export const HEAD_WITHIN_MS = 10_000

/** How long it takes at most to open so many streams. */
export function openingWithinMs(streams: number): number {
  return Math.ceil(streams / HELD_AT_A_TIME) * HEAD_WITHIN_MS
}

/** What has become of the streams that were to be held open. */
export interface Held {
  /** Open now. */
  open: number
  /** Those that could not be opened, or are over. */
  lost: number
  /** Why the first that was lost was lost; '' where none was. */
  detail: string
  /** Those that were not begun, since the server had sent no head for as long as a stream waits for one. */
  untried: number
}

/** Streams that stay open, and count nowhere: the load beside which others are measured. */
export class Holding implements StreamOwner {
  /** They are over when the profiler is. */
  readonly end: End = { events: undefined, forMs: undefined, timeoutMs: Infinity }
  readonly request: Buffer
  readonly #target: Plan['target']
  readonly #headWithinMs: number
  readonly #open = new Set<Stream>()
  /** Those whose head has not come, and what to do when it has. */
  readonly #waiting = new Map<Stream, () => void>()
  #begun = 0
  /** Streams whose opening was over before the time for it was: opened, or refused. */
  #answered = 0
  /** None was, in all the time that some stream has waited: more of them would only wait as long. */
  #isSilent = false
  #lost = 0
  #detail = ''
  #untried = 0
  #stopped = false

  /** @param headWithinMs how long each stream waits for its head */
  constructor(plan: Plan, headWithinMs: number = HEAD_WITHIN_MS) {
    this.#target = plan.target
    this.#headWithinMs = headWithinMs
    this.request = requestOf(plan.target, 'new')
  }

  /** Opens those that are missing to so many, or closes those that are too many. A silent server is asked for no more. */
  async hold(streams: number): Promise<Held> {
    for (const stream of this.#open) if (this.#open.size > streams) this.#release(stream)
    const missing = streams - this.#open.size
    const begunBefore = this.#begun
    await severally(
      { times: missing, atATime: HELD_AT_A_TIME },
      async () => this.#one(),
      () => this.#stopped || this.#isSilent,
    )
    if (this.#isSilent) this.#untried = missing - (this.#begun - begunBefore)
    return this.standing()
  }

  /** It is not lost. */
  #release(stream: Stream): void {
    this.#open.delete(stream)
    stream.settle('good')
  }

  /** Its head is enough: an idle stream may never have an event. */
  async #one(): Promise<void> {
    this.#begun++
    const answeredBefore = this.#answered
    await new Promise<void>((resolve) => {
      const stream = new Stream(this, nowMs())
      this.#open.add(stream)
      const deadline = setTimeout(() => {
        this.#isSilent ||= this.#answered === answeredBefore
        stream.settle('timeout', 'no head in time')
      }, this.#headWithinMs)
      this.#waiting.set(stream, () => {
        this.#waiting.delete(stream)
        clearTimeout(deadline)
        if (stream.outcome !== 'timeout') this.#answered++
        resolve()
      })
    })
  }

  heard(stream: Stream): void {
    if (stream.reader.status === 200) this.#waiting.get(stream)?.()
  }

  standing(): Held {
    return { open: this.#open.size, lost: this.#lost, detail: this.#detail, untried: this.#untried }
  }

  /** What is being opened is enough; those that are open stay. */
  stop(): void {
    this.#stopped = true
    for (const stream of this.#waiting.keys()) stream.settle('timeout', 'interrupted')
  }

  connect(): Connection {
    return new Connection(this.#target)
  }

  bodyOf(): EventBody {
    return new EventScanner()
  }

  news(): void {}

  stamped(): void {}

  settled(stream: Stream, connection: Connection | undefined): void {
    connection?.leave()
    const wasHeld = this.#open.delete(stream)
    this.#waiting.get(stream)?.()
    if (!wasHeld || this.#stopped) return
    this.#lost++
    this.#detail ||= stream.detail === '' ? `the server has ended it (${stream.outcome})` : stream.detail
  }
}
