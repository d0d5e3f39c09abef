import type { AnyTask } from './executor.ts'
import type { ExecutorName } from './executor-name.ts'
import type { CloseInfo } from './close-info.ts'

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
 * A stream has each once at most. First comes `refused`, and nothing else; or `admitted`, then `head`, then `started`
 * and `firstEvent` (the other way round where `onOpen` sends an event), then `closed`, with `done` before or after it.
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
}

type Moment = keyof Moments
type Told = (...args: unknown[]) => void

/** As an object, so that one that is missing does not compile. */
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
