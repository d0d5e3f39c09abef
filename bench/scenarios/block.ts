import { BASELINES, type Peer } from '../servers/peers.ts'
import type { Contender, Work } from './contender.ts'

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

/** As many as a p99 needs, and enough to see whether one row looks like another. */
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

/** Those of which a p99 is quoted. */
const QUOTED = { ...each(SHORT), inline: LONG, workers: LONG, own: LONG }

/** What all loads of one producer have in common. */
interface Rows {
  prefix: string
  blockMs: number
  work?: Work
  serviceSamples: number
}

function at(
  load: number,
  { prefix, ...rows }: Rows,
  rest: Pick<BlockScenario, 'arrivals' | 'inFull' | 'quickArrivals' | 'contenders'>,
): BlockScenario {
  return { kind: 'block', name: `${prefix}@${load}`, ...rows, load, ...rest }
}

const BLOCK_5MS: Rows = { prefix: 'block-5ms', blockMs: 5, serviceSamples: 50 }
const BLOCK_50MS: Rows = { prefix: 'block-50ms', blockMs: 50, serviceSamples: 5 }
const BLOCK_500MS: Rows = { prefix: 'block-500ms', blockMs: 500, serviceSamples: 2 }
/** Threads that sleep take no core: a pool serves as many times what one thread can as it has threads. */
const SLEEP: Rows = { prefix: 'sleep-50ms', work: 'sleep', blockMs: 50, serviceSamples: 5 }
/** No stream is in another's way, so no executor should win. It shows that none does. */
const ASYNC: Rows = { prefix: 'async-50ms', work: 'wait', blockMs: 50, serviceSamples: 100 }
/** Whether the bench sees the first byte apart from the first event: see `broken()` in `rows/block-row.ts`. */
const FLUSH: Rows = { prefix: 'flush', blockMs: 5, serviceSamples: 20 }
const ON_BASELINES: Rows = { prefix: 'baselines', blockMs: 5, serviceSamples: 50 }

export const BLOCKS: readonly BlockScenario[] = [
  at(0.5, BLOCK_5MS, { arrivals: QUOTED }),
  at(0.8, BLOCK_5MS, { arrivals: QUOTED }),
  at(1.5, BLOCK_5MS, { arrivals: each(LONG), quickArrivals: 20 }),
  at(1.5, BLOCK_50MS, { arrivals: each(30) }),
  ...[0.2, 0.95, 1.2].map((load) => at(load, BLOCK_5MS, { arrivals: each(LONG), inFull: true })),
  ...[0.2, 0.5, 0.8, 0.95, 1.2].map((load) => at(load, BLOCK_50MS, { arrivals: each(SHORT), inFull: true })),
  at(1.2, BLOCK_500MS, { arrivals: each(20), inFull: true }),
  ...[0.8, 1.2].map((load) => at(load, SLEEP, { arrivals: each(SHORT), inFull: true })),
  at(0.1, ASYNC, { arrivals: each(LONG), quickArrivals: 5, inFull: true }),
  at(0.5, FLUSH, {
    arrivals: each(SHORT),
    contenders: ['node:http unflushed', 'node:http'],
    quickArrivals: 5,
  }),
  at(0.5, ON_BASELINES, {
    arrivals: each(200),
    contenders: ['inline', 'workers', ...BASELINES],
    quickArrivals: 5,
    inFull: true,
  }),
]
