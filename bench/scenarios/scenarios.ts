/**
 * What is measured, as data. Times: a stream that blocks for B ms costs one thread a little more than B, its
 * service time S, which is measured first; a load of 1.0 is one client every S ms.
 *
 * Why these numbers: a 99th percentile needs 1,000 arrivals, and 1,000 arrivals at half of a thread's capacity
 * take 2,000 times S. All of them in every row would take three minutes. So in the default run those rows have
 * them that are quoted with a p99: all in overload, `inline` and `workers` below it. The others have enough to
 * show that they look like them, and no p99. `--full` gives 1,000 to every row of `block-5ms`.
 */
import type { Coding } from '../load/decoded-body.ts'
import type { BurstPlan } from '../servers/payload.ts'
import { BASELINES, type Peer } from '../servers/peers.ts'

/** The executors that a first look compares. `own` stands for one given with `--executor`. */
export type Contender = 'inline' | 'microtask' | 'deferred' | 'workers' | 'own' | 'idle'

/**
 * What a stream does between its events: arithmetic, sleeping in place (the thread can do nothing else), or waiting
 * for a timer (it can). `own` stands for a producer given with `--producer`, of which nothing is known.
 */
export type Work = 'compute' | 'sleep' | 'wait' | 'own'

/** Clients arrive on their own schedule; each stream emits an event, works, emits another, and ends. */
export interface BlockScenario {
  kind: 'block'
  name: string
  /** Default: `compute`. */
  work?: Work
  /** How long one stream works, in ms; of computing, on an idle core. */
  blockMs: number
  /** Offered load, in times one thread's capacity. */
  load: number
  /** How many clients each contender gets. `idle` is the same server with streams that do not block. */
  arrivals: Record<Contender, number>
  /** Default: all executors, and `idle`. */
  contenders?: readonly (Contender | Peer)[]
  /** Left out where nothing is named, unless with `--full`. */
  inFull?: true
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

/**
 * A contender against a baseline: in alternating rounds, each with fresh processes. `naive` sends each event from a
 * thread in a message of its own; see `naive/executor.ts`.
 */
interface RoundsScenario {
  name: string
  rounds: number
  /** Whether `--quick` tries it; else a scenario like it is tried. */
  quick: boolean
}

/** One client takes one stream of events of one length as fast as they come. */
export interface OneStreamScenario extends RoundsScenario {
  kind: 'one-stream'
  flush: 'event' | 'tick'
  data: 'string' | 'object'
  eventBytes: number
  baseline: 'naive' | 'inline'
  /** Of each stream: so many that it takes a second or more. */
  events: { workers: number; baseline: number }
  quickEvents: number
  goals: { eventsPerSecond: Goal; mainCpu: Goal } | undefined
}

/** Many streams with a slow rhythm, on one thread. */
export interface ManyStreamsScenario extends RoundsScenario {
  kind: 'many-streams'
  streams: number
  quickStreams: number
  everyMs: number
  /** How long the server is looked at, with all streams open. */
  forMs: number
  quickForMs: number
  goal: Goal | undefined
}

/** One event now and then, with nothing else to do. */
export interface IdleLatencyScenario extends RoundsScenario {
  kind: 'idle-latency'
  events: number
  quickEvents: number
  everyMs: number
  goal: Goal
}

/** More CPU-bound producers than the machine has cores for, in a pool, and a fast route beside it. */
export interface SaturatedScenario extends RoundsScenario {
  kind: 'saturated'
  blockMs: number
  /** Offered load, in times the capacity of all cores. */
  load: number
  arrivals: number
  quickArrivals: number
  besidePerSecond: number
  goal: Goal
}

/** One against another; without a goal, for information. */
interface Comparison {
  subject: 'inline' | 'inline tick' | 'workers' | Peer
  baseline: 'inline' | Peer
  goal: Goal | undefined
}

/** Streams of one event each, as many as there can be. */
export interface ShortStreamsScenario extends RoundsScenario {
  kind: 'short-streams'
  streams: number
  quickStreams: number
  atATime: number
  comparisons: readonly Comparison[]
}

/** One client takes one stream as fast as its events come, from headfirst and from other libraries. */
export interface PeersScenario extends RoundsScenario {
  kind: 'peers'
  eventBytes: number
  /** Of headfirst's stream, and of each peer's: so many that it takes a second or more. */
  events: number
  quickEvents: number
  peers: readonly { peer: Peer; events: number; goal: Goal | undefined }[]
}

/** Streams that are open and send nothing: what each of them takes of memory. */
export interface IdleStreamsScenario extends RoundsScenario {
  kind: 'idle-streams'
  /** How many are open when memory is looked at, ascending. */
  steps: readonly number[]
  quickSteps: readonly number[]
  comparisons: readonly Comparison[]
}

/** A fast inline route beside a slow one, on each executor. */
export interface IsolationScenario extends RoundsScenario {
  kind: 'isolation'
  /** The slow route: CPU work of a stream, and offered load in times one thread's capacity. */
  blockMs: number
  load: number
  executors: readonly ('inline' | 'microtask' | 'deferred' | 'workers')[]
  /** The fast one: clients in all, and a second. */
  arrivals: number
  quickArrivals: number
  fastPerSecond: number
}

/** Behind TLS and without. */
export interface TlsScenario extends RoundsScenario {
  kind: 'tls'
  rhythm: RhythmLoad
  /** Of one event each. */
  streams: number
  quickStreams: number
  atATime: number
}

/** Streams in each content coding and in none. */
export interface CompressionScenario extends RoundsScenario {
  kind: 'compression'
  codings: readonly Coding[]
  load: BurstLoad | RhythmLoad
  /** CPU of the server's thread, in a coding to without, of streams that are compressed on a worker thread. */
  goal: Goal | undefined
}

/** One client takes one stream as fast as its events come. */
interface BurstLoad {
  is: 'burst'
  data: BurstPlan['data']
  eventBytes: number
  /** Of each stream: so many that it takes a second or more. */
  events: { inline: number; workers: number; coded: number }
  quickEvents: number
}

/** As many events with a coding as without: many streams with a slow rhythm, on one thread. */
interface RhythmLoad {
  is: 'rhythm'
  streams: number
  quickStreams: number
  everyMs: number
  forMs: number
  quickForMs: number
}

/** More and more open streams in a rhythm, in one process, until something bends; and new clients beside them. */
export interface HeldScenario {
  kind: 'held'
  name: string
  executors: readonly ('inline' | 'workers')[]
  /** How many are open while the server is looked at, ascending; those that the process may not open are left out. */
  steps: readonly number[]
  quickSteps: readonly number[]
  /** Between two events of a stream. */
  everyMs: number
  /** New clients beside them, for as long as they come. */
  perSecond: number
  arrivals: number
  quickArrivals: number
  inFull: true
}

export type FigureScenario =
  | OneStreamScenario
  | ManyStreamsScenario
  | IdleLatencyScenario
  | SaturatedScenario
  | ShortStreamsScenario
  | PeersScenario
  | IdleStreamsScenario
  | CompressionScenario
  | IsolationScenario
  | TlsScenario

/** What a ratio should be. */
export interface Goal {
  is: 'at least' | 'at most'
  ratio: number
}

/** Small pieces on their own, without any server. */
interface MicroScenario {
  kind: 'encode' | 'hand-off'
  name: string
}

export type Scenario = BlockScenario | RateScenario | MicroScenario | HeldScenario | FigureScenario

const LONG = 1_000
const SHORT = 100

/** The same for every contender. */
const each = (arrivals: number): Record<Contender, number> => ({
  inline: arrivals,
  microtask: arrivals,
  deferred: arrivals,
  workers: arrivals,
  own: arrivals,
  idle: arrivals,
})

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
    arrivals: each(30),
    serviceSamples: 5,
  },
  ...[0.2, 0.95, 1.2].map((load): BlockScenario => ({
    kind: 'block',
    name: `block-5ms@${load}`,
    blockMs: 5,
    load,
    arrivals: each(LONG),
    serviceSamples: 50,
    inFull: true,
  })),
  ...[0.2, 0.5, 0.8, 0.95, 1.2].map((load): BlockScenario => ({
    kind: 'block',
    name: `block-50ms@${load}`,
    blockMs: 50,
    load,
    arrivals: each(SHORT),
    serviceSamples: 5,
    inFull: true,
  })),
  {
    kind: 'block',
    name: 'block-500ms@1.2',
    blockMs: 500,
    load: 1.2,
    arrivals: each(20),
    serviceSamples: 2,
    inFull: true,
  },
  // Threads that sleep take no core: a pool serves as many times what one thread can as it has threads.
  ...[0.8, 1.2].map((load): BlockScenario => ({
    kind: 'block',
    name: `sleep-50ms@${load}`,
    work: 'sleep',
    blockMs: 50,
    load,
    arrivals: each(SHORT),
    serviceSamples: 5,
    inFull: true,
  })),
  // Nobody is in anybody's way, so no executor should win. It stays here for whoever expects that one does.
  {
    kind: 'block',
    name: 'async-50ms@0.1',
    work: 'wait',
    blockMs: 50,
    load: 0.1,
    arrivals: each(LONG),
    serviceSamples: 100,
    quickArrivals: 5,
    inFull: true,
  },
  // Whether the bench tells the first byte from the first event: see `broken()` in `block-row.ts`.
  {
    kind: 'block',
    name: 'flush@0.5',
    blockMs: 5,
    load: 0.5,
    arrivals: each(SHORT),
    contenders: ['node:http unflushed', 'node:http'],
    serviceSamples: 20,
    quickArrivals: 5,
  },
  {
    kind: 'block',
    name: 'baselines@0.5',
    blockMs: 5,
    load: 0.5,
    arrivals: each(200),
    contenders: ['inline', 'workers', ...BASELINES],
    serviceSamples: 50,
    quickArrivals: 5,
    inFull: true,
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
  ...(['event', 'tick'] as const).flatMap((flush) =>
    (['string', 'object'] as const).map((data): OneStreamScenario => ({
      kind: 'one-stream',
      name: `way-back@${data}-${flush}`,
      flush,
      data,
      eventBytes: 58,
      baseline: 'naive',
      events: { workers: 2_000_000, baseline: flush === 'event' ? 200_000 : 1_000_000 },
      quickEvents: 3_000,
      rounds: 5,
      quick: (data === 'string') === (flush === 'event'),
      goals: {
        eventsPerSecond: { is: 'at least', ratio: data === 'string' ? 15 : 6 },
        mainCpu: { is: 'at most', ratio: 1 / 15 },
      },
    })),
  ),
  {
    kind: 'many-streams',
    name: 'many-streams',
    streams: 1_000,
    quickStreams: 20,
    everyMs: 1_000 / 15,
    forMs: 10_000,
    quickForMs: 100,
    rounds: 3,
    quick: true,
    goal: { is: 'at most', ratio: 1.15 },
  },
  // 50 tokens a second, 200 of them.
  {
    kind: 'many-streams',
    name: 'tokens',
    streams: 100,
    quickStreams: 5,
    everyMs: 20,
    forMs: 2_300,
    quickForMs: 100,
    rounds: 3,
    quick: false,
    goal: undefined,
  },
  {
    kind: 'one-stream',
    name: 'burst-10000',
    flush: 'event',
    data: 'string',
    eventBytes: 58,
    baseline: 'inline',
    events: { workers: 10_000, baseline: 10_000 },
    quickEvents: 200,
    rounds: 7,
    quick: false,
    goals: undefined,
  },
  {
    kind: 'idle-latency',
    name: 'idle-latency',
    events: 1_000,
    quickEvents: 10,
    everyMs: 20,
    rounds: 3,
    quick: true,
    goal: { is: 'at most', ratio: 2 },
  },
  {
    kind: 'saturated',
    name: 'saturated',
    blockMs: 10,
    load: 1.2,
    arrivals: 2_000,
    quickArrivals: 10,
    besidePerSecond: 150,
    rounds: 3,
    quick: true,
    goal: { is: 'at most', ratio: 3 },
  },
  {
    kind: 'one-stream',
    name: 'large',
    flush: 'event',
    data: 'string',
    eventBytes: 65_536,
    baseline: 'inline',
    events: { workers: 10_000, baseline: 10_000 },
    quickEvents: 20,
    rounds: 5,
    quick: true,
    goals: undefined,
  },
  {
    kind: 'short-streams',
    name: 'short',
    streams: 10_000,
    quickStreams: 20,
    atATime: 32,
    rounds: 3,
    quick: true,
    comparisons: [{ subject: 'workers', baseline: 'inline', goal: undefined }],
  },
  {
    kind: 'peers',
    name: 'peers',
    eventBytes: 58,
    events: 2_000_000,
    quickEvents: 1_000,
    peers: [
      { peer: '@fastify/sse', events: 1_000_000, goal: { is: 'at least', ratio: 3 } },
      { peer: 'better-sse', events: 1_000_000, goal: { is: 'at least', ratio: 3 } },
      { peer: 'fastify-sse-v2', events: 500_000, goal: { is: 'at least', ratio: 3 } },
      { peer: 'hono', events: 300_000, goal: { is: 'at least', ratio: 3 } },
      { peer: 'better-sse batch', events: 2_000_000, goal: undefined },
    ],
    rounds: 4,
    quick: true,
  },
  {
    kind: 'short-streams',
    name: 'open-close',
    streams: 10_000,
    quickStreams: 20,
    atATime: 32,
    rounds: 4,
    quick: true,
    comparisons: [
      { subject: 'inline', baseline: 'node:http at once', goal: { is: 'at least', ratio: 0.75 } },
      { subject: 'inline tick', baseline: 'node:http', goal: { is: 'at least', ratio: 0.75 } },
      { subject: 'inline', baseline: 'node:http', goal: undefined },
      { subject: 'workers', baseline: 'node:http', goal: undefined },
      { subject: 'bare fastify', baseline: 'node:http', goal: undefined },
      { subject: 'fastify stream', baseline: 'node:http', goal: undefined },
    ],
  },
  {
    kind: 'idle-streams',
    name: 'idle-streams',
    steps: [1_000, 2_000, 3_000, 4_000, 5_000],
    quickSteps: [5, 10],
    rounds: 3,
    quick: true,
    comparisons: [
      { subject: 'inline', baseline: 'node:http', goal: { is: 'at most', ratio: 1.5 } },
      { subject: 'workers', baseline: 'node:http', goal: undefined },
      { subject: 'bare fastify', baseline: 'node:http', goal: undefined },
    ],
  },
  {
    kind: 'held',
    name: 'held',
    executors: ['inline', 'workers'],
    steps: [0, 10_000, 15_000, 20_000, 30_000, 40_000, 50_000, 60_000],
    quickSteps: [0, 20, 40],
    everyMs: 1_000,
    perSecond: 50,
    arrivals: 1_000,
    quickArrivals: 10,
    inFull: true,
  },
  {
    kind: 'isolation',
    name: 'isolation',
    blockMs: 50,
    load: 0.8,
    executors: ['inline', 'microtask', 'deferred', 'workers'],
    arrivals: 1_000,
    quickArrivals: 10,
    fastPerSecond: 100,
    rounds: 3,
    quick: true,
  },
  {
    kind: 'tls',
    name: 'tls',
    rhythm: { is: 'rhythm', streams: 200, quickStreams: 5, everyMs: 40, forMs: 4_000, quickForMs: 100 },
    streams: 2_000,
    quickStreams: 20,
    atATime: 32,
    rounds: 4,
    quick: true,
  },
  {
    kind: 'compression',
    name: 'compression@rhythm',
    codings: ['gzip', 'br', 'zstd'],
    load: { is: 'rhythm', streams: 200, quickStreams: 5, everyMs: 40, forMs: 4_000, quickForMs: 100 },
    rounds: 4,
    quick: true,
    goal: { is: 'at most', ratio: 1.1 },
  },
  {
    kind: 'compression',
    name: 'compression@json',
    codings: ['gzip', 'br', 'zstd'],
    load: {
      is: 'burst',
      data: 'object',
      eventBytes: 58,
      events: { inline: 200_000, workers: 2_000_000, coded: 100_000 },
      quickEvents: 1_000,
    },
    rounds: 4,
    quick: true,
    goal: undefined,
  },
  {
    kind: 'compression',
    name: 'compression@html',
    codings: ['gzip', 'br', 'zstd'],
    load: {
      is: 'burst',
      data: 'html',
      eventBytes: 2_048,
      events: { inline: 100_000, workers: 200_000, coded: 20_000 },
      quickEvents: 200,
    },
    rounds: 4,
    quick: true,
    goal: undefined,
  },
]

/** Those of the figures take minutes, and are run where they are asked for. */
export const DEFAULT_SCENARIOS: readonly Scenario[] = SCENARIOS.filter(
  (scenario) => !('rounds' in scenario || 'inFull' in scenario),
)

/** Whether `--quick` tries it. */
export function isTriedQuickly(scenario: Scenario): boolean {
  if (scenario.kind === 'block') return scenario.quickArrivals !== undefined
  return 'rounds' in scenario ? scenario.quick : true
}

/**
 * Scenarios by their names: a full one, or the part before the `@`, which means all that begin so.
 *
 * @returns undefined when there is none of that name
 */
export function scenariosNamed(name: string): readonly Scenario[] | undefined {
  const found = SCENARIOS.filter((scenario) => scenario.name === name || scenario.name.startsWith(`${name}@`))
  return found.length === 0 ? undefined : found
}
