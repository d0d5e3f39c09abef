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
const HEAD_WITHIN_MS = 10_000

export interface Held {
  /** Open now. */
  open: number
  /** Those that could not be opened, or are over. */
  lost: number
  /** Of the first that was lost. */
  detail: string
}

/** Streams that stay open, and count nowhere: the load beside which others are measured. */
export class Holding implements StreamOwner {
  /** They are over when the profiler is. */
  readonly end: End = { events: undefined, forMs: undefined, timeoutMs: Infinity }
  readonly request: Buffer
  readonly #target: Plan['target']
  readonly #open = new Set<Stream>()
  /** Those whose head has not come, and what to do when it has. */
  readonly #waiting = new Map<Stream, () => void>()
  #lost = 0
  #detail = ''
  #stopped = false

  constructor(plan: Plan) {
    this.#target = plan.target
    this.request = requestOf(plan.target, 'new')
  }

  /** Opens those that are missing to so many, or closes those that are too many. */
  async hold(streams: number): Promise<Held> {
    for (const stream of this.#open) if (this.#open.size > streams) this.#release(stream)
    await severally(
      { times: streams - this.#open.size, atATime: HELD_AT_A_TIME },
      async () => this.#one(),
      () => this.#stopped,
    )
    return this.standing()
  }

  /** It is not lost. */
  #release(stream: Stream): void {
    this.#open.delete(stream)
    stream.settle('good')
  }

  /** Its head is enough: an idle stream may never have an event. */
  async #one(): Promise<void> {
    await new Promise<void>((resolve) => {
      const stream = new Stream(this, nowMs())
      this.#open.add(stream)
      const deadline = setTimeout(() => stream.settle('timeout', 'no head in time'), HEAD_WITHIN_MS)
      this.#waiting.set(stream, () => {
        this.#waiting.delete(stream)
        clearTimeout(deadline)
        resolve()
      })
    })
  }

  heard(stream: Stream): void {
    if (stream.reader.status === 200) this.#waiting.get(stream)?.()
  }

  standing(): Held {
    return { open: this.#open.size, lost: this.#lost, detail: this.#detail }
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
