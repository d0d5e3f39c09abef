/** What the clients of a route have seen. */
export interface Tally {
  streams: number
  /** Had everything to the end. */
  good: number
  /** Got a 503. */
  refused: number
  /** Whose connection broke before the end. */
  broken: number
  /** Went by themselves. */
  left: number
  /** Missed an event, or had one twice, wherever they stopped. */
  holes: number
  /** Anything else. */
  failed: number
  events: number
}

const NOTHING: Tally = {
  streams: 0,
  good: 0,
  refused: 0,
  broken: 0,
  left: 0,
  holes: 0,
  failed: 0,
  events: 0,
}

/** Of all routes, by path. */
export class Tallies {
  readonly byPath: Record<string, Tally> = {}

  /** @param seen by one stream */
  count(path: string, seen: Partial<Tally>): void {
    const tally = (this.byPath[path] ??= { ...NOTHING })
    tally.streams++
    for (const [name, count] of Object.entries(seen) as [keyof Tally, number][]) tally[name] += count
  }
}
