/** One client takes a stream of 58-byte events as fast as they come. */
export interface RateScenario {
  kind: 'rate'
  name: string
  flush: 'event' | 'tick'
  events: number
  quickEvents: number
  /** Streams measured, one after another; their median counts. */
  streams: number
}

export const RATES: readonly RateScenario[] = [
  {
    kind: 'rate',
    name: 'events-per-second@event',
    flush: 'event',
    events: 20_000,
    quickEvents: 500,
    streams: 5,
  },
  {
    kind: 'rate',
    name: 'events-per-second@tick',
    flush: 'tick',
    events: 100_000,
    quickEvents: 500,
    streams: 5,
  },
]
