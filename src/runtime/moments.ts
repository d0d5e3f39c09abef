import type { AnyTask } from './executor.ts'
import type { ExecutorName } from './executor-name.ts'
import type { CloseInfo } from './close-info.ts'

/** A stream, as subscribers see it: the same object from its first moment to its last. */
type Observed = Pick<AnyTask, 'executor' | 'route' | 'context' | 'lastEventId'>

/** How a producer starts. */
interface Start {
  /** Time from the head, in ms. */
  readonly waitedMs: number
  /** On the server's thread. */
  readonly here: boolean
}

/**
 * The moments of streams and of what runs them. Everything that only observes streams (counts, the server's own
 * profile, telemetry) subscribes to the moments that it needs, and is named nowhere else in the runtime. A subscriber is
 * called in the middle of the work: it is quick, and does not throw. Moments of the event loop: see observation.ts.
 *
 * A stream has each once at most. First comes `refused`, and nothing else; or `admitted`, then `head`, then `started`
 * and `firstEvent` (the other way round where `onOpen` sends an event), then `closed`, with `done` before or after it.
 */
export interface Moments {
  /** The executor has room for it. Its client may still leave before the head. */
  admitted?(stream: Observed): void
  /** Its client gets an error, or a `retry`, in place of a stream. */
  refused?(stream: Observed, error: Error): void
  /** Status line and headers have left. */
  head?(stream: Observed): void
  started?(stream: Observed, start: Start): void
  /** A producer has held the server's thread so long, from its start to its first wait or its end, in ms. */
  held?(stream: Observed, ms: number): void
  /** A producer that has started on the server's thread is done. */
  done?(stream: Observed): void
  /** The first event was taken. */
  firstEvent?(stream: Observed): void
  closed?(stream: Observed, info: CloseInfo): void
  /** A thread of an executor can take streams. */
  threadUp?(executor: ExecutorName, thread: number): void
  /** A thread has ended, or did not start. `cause` is undefined where its executor has ended it. */
  threadGone?(executor: ExecutorName, thread: number, cause: Error | undefined): void
}

type Moment = keyof Moments
type Call = (...args: unknown[]) => void

/** As an object, so that a missing one does not compile. */
const NAMES: Readonly<Record<Moment, true>> = {
  admitted: true,
  refused: true,
  head: true,
  started: true,
  held: true,
  done: true,
  firstEvent: true,
  closed: true,
  threadUp: true,
  threadGone: true,
}

export const MOMENTS: readonly Moment[] = Object.keys(NAMES) as Moment[]

/** One subscriber that calls all of them, in their order; a moment without a subscriber is absent, and costs nothing. */
export function allOf(subscribers: readonly Moments[]): Moments {
  const moments: Record<string, Call> = {}
  for (const moment of MOMENTS) {
    const calls = subscribers.flatMap((subscriber) => {
      const call = subscriber[moment] as Call | undefined
      return call === undefined ? [] : [call.bind(subscriber)]
    })
    const [only] = calls
    if (only === undefined) continue
    moments[moment] = calls.length === 1 ? only : (...args) => calls.forEach((each) => each(...args))
  }
  return moments
}
