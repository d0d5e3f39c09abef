import type { AnyTask, ExecutorName } from './executor.ts'
import type { CloseInfo } from './options.ts'
import type { BlockedLoop } from './profile.ts'

/** A stream, as those see it that only look: the same object from its first moment to its last. */
type Observed = Pick<AnyTask, 'executor' | 'route' | 'context' | 'lastEventId'>

/** How a producer starts. */
interface Start {
  /** Time from the head, in ms. */
  readonly waitedMs: number
  /** On the server's thread. */
  readonly here: boolean
}

/**
 * The moments of streams and of what runs them. Everything that only looks at streams (counts, the server's own
 * profile, telemetry) subscribes to those that it needs; nothing else in the runtime knows of it. A subscriber is
 * called in the middle of the work, so it is quick, and does not throw.
 *
 * A stream has them in this order, each once at most: `admitted` or `refused`; `head`; `started`; `firstEvent`;
 * `closed`, with `done` before or after it. A stream that is refused has no other.
 */
export interface Moments {
  /** The executor has room for it. Its client may still leave before the head. */
  admitted?(stream: Observed): void
  /** Its client gets an error, or a `retry`, in its place. */
  refused?(stream: Observed, error: Error): void
  /** Status line and headers have left. */
  head?(stream: Observed): void
  started?(stream: Observed, start: Start): void
  /** A producer on the server's thread has held that so long, from its start to its first wait or its end, in ms. */
  held?(stream: Observed, ms: number): void
  /** A producer that has started on the server's thread is done. */
  done?(stream: Observed): void
  /** The first event was taken. */
  firstEvent?(stream: Observed): void
  closed?(stream: Observed, info: CloseInfo): void
  /** A thread of an executor can be given streams. */
  threadUp?(executor: ExecutorName, thread: number): void
  /** A thread has ended, or did not start. `cause` is undefined where it was told to end. */
  threadGone?(executor: ExecutorName, thread: number, cause: Error | undefined): void
  /** The server's event loop went to nobody for a while. */
  loopBlocked?(blocked: BlockedLoop): void
}

type Moment = keyof Moments
type Told = (...args: unknown[]) => void

const MOMENTS: readonly Moment[] = [
  'admitted',
  'refused',
  'head',
  'started',
  'held',
  'done',
  'firstEvent',
  'closed',
  'threadUp',
  'threadGone',
  'loopBlocked',
]

/** One that calls all of them, in their order; a moment that nobody wants costs nothing. */
export function allOf(subscribers: readonly Moments[]): Moments {
  const moments: Record<string, Told> = {}
  for (const moment of MOMENTS) {
    const calls = subscribers.flatMap((subscriber) => {
      const told = subscriber[moment] as Told | undefined
      return told === undefined ? [] : [told.bind(subscriber)]
    })
    const [only] = calls
    if (only === undefined) continue
    moments[moment] = calls.length === 1 ? only : (...args) => calls.forEach((call) => call(...args))
  }
  return moments
}
