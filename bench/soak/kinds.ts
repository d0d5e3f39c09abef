/**
 * The mixed load, as data: which clients come, how often, and what they take. Each kind has routes of its own, so that
 * what the server has counted there can be held against what its clients have.
 */
import type { Coding } from '../load/decoded-body.ts'

export const EXECUTORS = ['inline', 'microtask', 'deferred', 'workers'] as const

/**
 * - `probe`: one event, inline; its first byte is what is measured
 * - `short`: events as fast as they come, half of the clients in a content coding
 * - `long`: events in a rhythm
 * - `slow`: some MB for a client that takes its time
 * - `deaf`: more than any buffer for a client that does not read
 * - `leave`: a stream without end, whose client goes in the middle, or resets the connection
 * - `narrow`: streams of a pool that is too small
 * - `mortal`: streams in a rhythm, on a thread that is killed now and then
 * - `news`: clients that follow a history, go, and come back with the id of their last event
 */
export const KINDS = ['probe', 'short', 'long', 'slow', 'deaf', 'leave', 'narrow', 'mortal', 'news'] as const
export type Kind = (typeof KINDS)[number]

/** Kinds that run on every executor, on a route for each. */
const EVERYWHERE: ReadonlySet<Kind> = new Set(['short', 'long', 'slow', 'deaf', 'leave'])

export function pathsOf(kind: Kind): string[] {
  return EVERYWHERE.has(kind) ? EXECUTORS.map((executor) => `/${kind}/${executor}`) : [`/${kind}`]
}

export const NEWS_PATH = '/news'
/** Kills the thread of `mortal`. */
export const KILL_PATH = '/kill'

/** Clients a second. They come at random, whatever becomes of those before. */
export const PER_SECOND: Readonly<Record<Exclude<Kind, 'news'>, number>> = {
  probe: 20,
  short: 16,
  long: 6,
  slow: 0.5,
  deaf: 0.5,
  leave: 10,
  narrow: 25,
  mortal: 4,
}

/** Of `short` streams, in turn. */
export const CODINGS: readonly (Coding | undefined)[] = [undefined, 'gzip', undefined, 'br']

interface Rhythm {
  events: number
  everyMs: number
}

/** What streams consist of. In a quick run they are over sooner. */
export interface Sizes {
  short: { events: number; eventBytes: number }
  long: Rhythm
  slow: { events: number; eventBytes: number; restMs: number }
  /** Who leaves goes after at most so many events. */
  leave: { everyMs: number; mostEvents: number }
  narrow: { ms: number }
  mortal: Rhythm
  news: { followers: number; mostEvents: number; everyMs: number; mostAwayMs: number }
  killEveryMs: number
}

export function sizes(quick: boolean): Sizes {
  return {
    short: { events: 50, eventBytes: 512 },
    long: { events: quick ? 4 : 80, everyMs: 250 },
    slow: { events: quick ? 64 : 128, eventBytes: 65_536, restMs: quick ? 2 : 20 },
    leave: { everyMs: 20, mostEvents: 20 },
    narrow: { ms: 40 },
    mortal: { events: quick ? 10 : 50, everyMs: 100 },
    news: { followers: quick ? 5 : 20, mostEvents: 60, everyMs: 20, mostAwayMs: quick ? 100 : 1_000 },
    killEveryMs: quick ? 1_000 : 15_000,
  }
}
