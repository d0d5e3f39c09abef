/**
 * What is measured, as data. Times: a stream that blocks for B ms costs one thread a little more than B, its
 * service time S, which is measured first; a load of 1.0 is one client every S ms.
 *
 * Why these numbers: a 99th percentile needs 1,000 arrivals, and 1,000 arrivals at half of a thread's capacity
 * take 2,000 times S. All of them in every row would take three minutes. So in the default run those rows have
 * them that are quoted with a p99: all in overload, `inline` and `workers` below it. The others have enough to
 * show that they look like them, and no p99. `--full` gives 1,000 to every row of `block-5ms`.
 */

/** The executors that a first look compares. `own` stands for one given with `--executor`. */
export type Contender = 'inline' | 'microtask' | 'deferred' | 'workers' | 'own' | 'idle'

/** Clients arrive on their own schedule; each stream emits an event, blocks, emits another, and ends. */
export interface BlockScenario {
  kind: 'block'
  name: string
  /** CPU work of one stream, in ms on an idle core. */
  blockMs: number
  /** Offered load, in times one thread's capacity. */
  load: number
  /** How many clients each contender gets. `idle` is the same server with streams that do not block. */
  arrivals: Record<Contender, number>
  /** Streams in each burst from which the service time is taken. */
  serviceSamples: number
  /** Arrivals with `--quick`; a scenario without is left out there. */
  quickArrivals?: number
}

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

/** Small pieces on their own, without any server. */
interface MicroScenario {
  kind: 'encode' | 'hand-off'
  name: string
}

export type Scenario = BlockScenario | RateScenario | MicroScenario

const LONG = 1_000
const SHORT = 100

export const SCENARIOS: readonly Scenario[] = [
  {
    kind: 'block',
    name: 'block-5ms@0.5',
    blockMs: 5,
    load: 0.5,
    arrivals: { inline: LONG, microtask: SHORT, deferred: SHORT, workers: LONG, own: LONG, idle: SHORT },
    serviceSamples: 50,
  },
  {
    kind: 'block',
    name: 'block-5ms@0.8',
    blockMs: 5,
    load: 0.8,
    arrivals: { inline: LONG, microtask: SHORT, deferred: SHORT, workers: LONG, own: LONG, idle: SHORT },
    serviceSamples: 50,
  },
  {
    kind: 'block',
    name: 'block-5ms@1.5',
    blockMs: 5,
    load: 1.5,
    arrivals: { inline: LONG, microtask: LONG, deferred: LONG, workers: LONG, own: LONG, idle: LONG },
    serviceSamples: 50,
    quickArrivals: 20,
  },
  {
    kind: 'block',
    name: 'block-50ms@1.5',
    blockMs: 50,
    load: 1.5,
    arrivals: { inline: 30, microtask: 30, deferred: 30, workers: 30, own: 30, idle: 30 },
    serviceSamples: 5,
  },
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
  { kind: 'encode', name: 'encode' },
  { kind: 'hand-off', name: 'hand-off' },
]

/**
 * Scenarios by their names: a full one, or the part before the `@`, which means all that begin so.
 *
 * @returns undefined when there is none of that name
 */
export function scenariosNamed(name: string): readonly Scenario[] | undefined {
  const found = SCENARIOS.filter((scenario) => scenario.name === name || scenario.name.startsWith(`${name}@`))
  return found.length === 0 ? undefined : found
}
