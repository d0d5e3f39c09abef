/**
 * One row of a blocking scenario: clients that arrive on a schedule, at one executor.
 *
 * Before the clock starts, the row's own server gets a burst, so that every thread of the executor has started
 * and compiled its code, and then a few streams one after another, to see a first byte with no other client there.
 *
 * The theory needs the service time of one stream. It is the time for which the server's event loop was active
 * during the row, per stream: what the server's thread has spent, and not when any client saw anything. (A
 * server that is busy without a break spends less on a stream than one that is woken for each, by a tenth when a
 * stream blocks for 5 ms. A service time that was measured alone would be wrong, and in overload the error of a
 * tenth becomes one of a third: the wait grows with the difference of service time and gap.)
 */
import { poissonSchedule } from '../../profiler/load/schedule.ts'
import { median, percentiles, type Percentiles } from '../../profiler/samples/percentiles.ts'
import type { Outcome } from '../load/outcome.ts'
import type { Recording } from '../load/recording.ts'
import type { BlockScenario } from '../scenarios/block.ts'
import type { Contender, Work } from '../scenarios/contender.ts'
import { isPeer, type Peer } from '../servers/peers.ts'
import { lindleyWaits } from '../statistics/theory.ts'
import type { TestServer } from '../testbed/test-server.ts'
import type { Testbed } from '../testbed/testbed.ts'
import { judge } from './gate.ts'
import type { Row, ServerCost } from './row.ts'

/** What the first byte should be by theory, and how far the measurement is from it. */
interface Theory {
  /** Of one stream: the active time of the server's event loop, per stream of the row. */
  serviceMs: number
  /** From the intended start to the first byte with no other client there; the theory adds it to each wait. */
  firstByteAloneMs: number
  firstByteMs: Percentiles
  /** Measured ÷ expected − 1, at the median and at the highest percentile given. */
  offAtP50: number
  offAtTail: number
}

export interface BlockRow extends Row {
  contender: Contender | Peer
  /** In times one thread's capacity. */
  load: number
  perSecond: number
  arrivals: number
  firstByteMs: Percentiles
  firstEventMs: Percentiles
  /** Only for executors that are one queue on the server's thread. */
  theory: Theory | undefined
  /** Streams that were not good, by class. */
  errors: Partial<Record<Exclude<Outcome, 'good'>, number>>
  server: ServerCost
  /** By arrival, in ms; null for a stream that failed. */
  samples: { firstByteMs: (number | null)[]; firstEventMs: (number | null)[] }
}

/** A row may take as long again as the work in it, and then some. */
const DRAIN_MS = 10_000

/** Enough for every thread to have some. */
const WARM_UP_STREAMS = 8
const STREAMS_ALONE = 5
const SERVICE_TRIALS = 4

/** Streams that all come at once, so that the server is busy without a break. */
const burst = (streams: number): Float64Array => new Float64Array(streams)

/**
 * The service time of one stream that blocks for `blockMs`, in ms, on the server's own thread when that is busy
 * without a break: what a load of 1.0 is. A burst before it warms up; then the least of some bursts counts, since
 * whatever disturbs one makes it slower.
 */
export async function serviceTime(
  testbed: Testbed,
  blockMs: number,
  streams: number,
  work?: Work,
): Promise<number> {
  return testbed.withServer(testbed.blockPlan('inline', blockMs, work), async (server) => {
    const drainMs = 4 * streams * blockMs + DRAIN_MS
    await server.openLoop(burst(streams), drainMs)
    let leastMs = Infinity
    for (let trial = 0; trial < SERVICE_TRIALS; trial++) {
      const { activeMs } = await server.openLoop(burst(streams), drainMs)
      leastMs = Math.min(leastMs, activeMs / streams)
    }
    return leastMs
  })
}

export interface BlockRowPlan {
  scenario: BlockScenario
  contender: Contender | Peer
  arrivals: number
  /** What a load of 1.0 is. */
  serviceMs: number
  seed: number
}

export async function measureBlockRow(testbed: Testbed, plan: BlockRowPlan): Promise<BlockRow> {
  const { scenario, contender, arrivals, serviceMs, seed } = plan
  const perSecond = (scenario.load * 1_000) / serviceMs
  const schedule = poissonSchedule(arrivals, perSecond, seed)
  const measure = async (server: TestServer): Promise<BlockRow> => {
    await server.openLoop(burst(WARM_UP_STREAMS), DRAIN_MS)
    const alone = await server.closedLoop(STREAMS_ALONE)
    const { recording, ...cost } = await server.openLoop(schedule, 2 * arrivals * serviceMs + DRAIN_MS)

    const firstByteMs = percentiles(recording.firstByteMs)
    const { good: _, ...errors } = recording.outcomes
    const hidesCores = hasThreads(contender) || isAsleep(scenario)
    const gate = judge(recording, schedule, hidesCores ? undefined : cost.cpuMs / cost.activeMs)
    return {
      scenario: scenario.name,
      executor: isPeer(contender) ? contender : testbed.nameOf(contender),
      contender,
      load: scenario.load,
      perSecond,
      arrivals,
      firstByteMs,
      firstEventMs: percentiles(recording.firstEventMs),
      theory: isSingleQueue(contender)
        ? theory(schedule, cost.activeMs / arrivals, median(alone.recording.firstByteMs), firstByteMs)
        : undefined,
      errors,
      gate: { ...gate, failures: [...gate.failures, ...broken(plan, recording)] },
      server: cost,
      samples: { firstByteMs: rounded(recording.firstByteMs), firstEventMs: rounded(recording.firstEventMs) },
    }
  }
  if (isPeer(contender)) {
    return testbed.withPeer({ peer: contender, producer: testbed.blockFor(scenario.blockMs) }, measure)
  }
  return testbed.withServer(testbed.blockPlan(contender, scenario.blockMs, scenario.work), measure)
}

/** A server that does not compute is not without its core when it takes little of it. */
function isAsleep({ work }: BlockScenario): boolean {
  return work !== undefined && work !== 'compute'
}

/** A first byte that does not wait for the event is this much of the work earlier; one that does, no more than that. */
const EARLY = 0.5
const TOGETHER = 0.1

/** How a failure begins that is the bench's own. */
export const BROKEN = 'the bench is broken'

/**
 * What two baselines must show, or what the bench takes for the first byte and the first event is something else: all
 * of a response leaves at once where its head is not flushed, and where it is flushed the head is ahead of the event,
 * which the server holds back.
 */
export function broken(
  { contender, scenario }: { contender: string; scenario: Pick<BlockScenario, 'blockMs'> },
  { firstByteMs, firstEventMs }: Pick<Recording, 'firstByteMs' | 'firstEventMs'>,
): string[] {
  const aheadMs = median(firstEventMs.map((ms, index) => ms - (firstByteMs[index] ?? NaN)))
  const ahead = aheadMs / scenario.blockMs
  if (contender === 'node:http unflushed' && !(ahead <= TOGETHER)) {
    return [`${BROKEN}: an unflushed head is ${aheadMs.toFixed(1)} ms ahead of its event`]
  }
  if (contender === 'node:http' && !(ahead >= EARLY)) {
    return [`${BROKEN}: a flushed head is only ${aheadMs.toFixed(1)} ms ahead of its event`]
  }
  return []
}

/** Or may have: a user's executor may run producers anywhere. */
function hasThreads(contender: Contender | Peer): boolean {
  return contender === 'workers' || contender === 'own'
}

function isSingleQueue(contender: Contender | Peer): boolean {
  return contender === 'inline' || contender === 'microtask'
}

function theory(
  schedule: Float64Array,
  serviceMs: number,
  firstByteAloneMs: number,
  measured: Percentiles,
): Theory {
  const expected = lindleyWaits(schedule, serviceMs).map((waitMs) => waitMs + firstByteAloneMs)
  const firstByteMs = percentiles(expected)
  return {
    serviceMs,
    firstByteAloneMs,
    firstByteMs,
    offAtP50: measured.p50 / firstByteMs.p50 - 1,
    offAtTail: (measured.p99 ?? measured.p90) / (firstByteMs.p99 ?? firstByteMs.p90) - 1,
  }
}

/** To a microsecond, for JSON, which has no Infinity. */
function rounded(samples: Float64Array): (number | null)[] {
  return Array.from(samples, (ms) => (Number.isFinite(ms) ? Math.round(ms * 1_000) / 1_000 : null))
}
