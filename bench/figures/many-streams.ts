/**
 * Many open streams with a slow rhythm, on one thread of a pool and on the server's own thread: what the same
 * events cost the server's thread. Their writes to the sockets are the floor, on either.
 *
 * All streams are open, and the connections' own cost is over, when the clock starts; timers are staggered, since
 * the clients come one after another. Stamps in the events show how late they are.
 */
import { rank, tailOf } from '../../profiler/samples/percentiles.ts'
import type { Coding } from '../load/decoded-body.ts'
import type { ManyStreamsScenario } from '../scenarios/many-streams.ts'
import type { FanPlan } from '../servers/producers.ts'
import type { ProducerPlan } from '../servers/server-plan.ts'
import { figure, type Figure, type Side } from './figure.ts'
import { inAlternation, type Bench } from './rounds.ts'

export interface Ticking {
  /** CPU time of the server's own thread, in s per million events. */
  mainCpu: number
  /** That of all the server's threads. */
  processCpu: number
  /** MB that the clients have read, framing of HTTP included, for a million events. */
  wireMegabytes: number
  /** From an event's stamp to its receipt, 99th percentile. */
  latencyTailMs: number
}

/** Between two clients: far from what a server can take, so that no client waits. */
const APART_MS = 2
const DRAIN_MS = 20_000
/** How long the last streams stay open after the measurement: more than its end takes. */
const SPARE_MS = 1_500
const QUICK_SPARE_MS = 1_000

export async function measureManyStreams(bench: Bench, scenario: ManyStreamsScenario): Promise<Figure[]> {
  const { quick } = bench
  const { name, everyMs, goal } = scenario
  const plan = {
    streams: quick ? scenario.quickStreams : scenario.streams,
    forMs: quick ? scenario.quickForMs : scenario.forMs,
    everyMs,
  }
  const contenders = ['workers', 'inline'] as const
  const tail = tailOf((plan.streams * plan.forMs) / everyMs)
  const measured = await inAlternation(bench, scenario.rounds, contenders, async (contender) =>
    takeTicking(bench, { ...plan, executor: contender, place: `${name} on ${contender}` }),
  )
  const side = (contender: (typeof contenders)[number], of: keyof Ticking): Side => ({
    contender,
    values: measured[contender].map((one) => one[of]),
  })
  return [
    figure(
      {
        scenario: name,
        what: 'main CPU, s per million events',
        formula: "CPU time of the server's main thread alone ÷ events, while all streams are open",
        goal,
      },
      side('workers', 'mainCpu'),
      side('inline', 'mainCpu'),
      [],
    ),
    figure(
      {
        scenario: name,
        what: `latency ${tail.name}, ms`,
        formula: "receipt − the producer's stamp",
        goal: undefined,
      },
      side('workers', 'latencyTailMs'),
      side('inline', 'latencyTailMs'),
      [],
    ),
  ]
}

interface TickingPlan {
  streams: number
  /** Between two events of a stream. */
  everyMs: number
  /** How long the server is measured, with all streams open. */
  forMs: number
  executor: 'inline' | 'workers'
  coding?: Coding | undefined
  tls?: boolean
  framedByNode?: boolean
  /** All streams send the same events at the same time. Default: each has a timer of its own. */
  fan?: Pick<FanPlan, 'share'> | undefined
  /** For messages. */
  place: string
}

/**
 * A fresh server with that many streams, all in the same rhythm.
 *
 * @throws when a stream has failed
 */
export async function takeTicking(
  { testbed, quick }: Bench,
  { streams, everyMs, forMs, executor, coding, tls = false, framedByNode = false, fan, place }: TickingPlan,
): Promise<Ticking> {
  const schedule = Float64Array.from({ length: streams }, (_, index) => index * APART_MS)
  const events = Math.ceil((streams * APART_MS + forMs + (quick ? QUICK_SPARE_MS : SPARE_MS)) / everyMs)
  const producer: ProducerPlan =
    fan === undefined
      ? { name: 'ticker', input: { events, everyMs } }
      : { name: 'fan', input: { streams, events, everyMs, ...fan } }
  const plan = {
    ...testbed.executorOf(executor),
    flush: 'event',
    producer,
    workers: { threads: 1, streamsPerThread: streams },
    coding,
    tls,
    framedByNode,
  } as const
  return testbed.withServer(plan, async (server): Promise<Ticking> => {
    const [{ recording }, look] = await Promise.all([
      server.openLoop(schedule, events * everyMs + DRAIN_MS),
      server.whileOpen(streams, forMs),
    ])
    if (recording.outcomes.good !== streams) {
      throw new Error(`${place}: streams ended as ${JSON.stringify(recording.outcomes)}`)
    }
    const isSeen = (index: number): boolean => {
      const stampMs = recording.stampsMs[index] ?? NaN
      return stampMs >= look.fromMs && stampMs < look.untilMs
    }
    const latenciesMs = recording.latenciesMs.filter((_, index) => isSeen(index))
    return {
      mainCpu: (look.mainCpuMs * 1_000) / latenciesMs.length,
      processCpu: (look.cpuMs * 1_000) / latenciesMs.length,
      wireMegabytes: recording.wireBytes / recording.events,
      latencyTailMs: rank(latenciesMs.toSorted(), tailOf(latenciesMs.length).fraction),
    }
  })
}
