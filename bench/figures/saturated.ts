/**
 * More work than the machine can do, in a pool: CPU-bound producers at 1.2 times what all of its cores serve. How
 * late is then the first byte of those very streams, and how late that of a fast inline route beside them?
 *
 * - `saturated`: the pool as it is by default; `nice 0`: the same, with threads of the server's own priority
 * - `idle`: the same server, pool and clients, with producers that do not compute
 * - `alone`: the same server with clients of the fast route only
 *
 * Only complete streams count; any other is slower than all. The capacity is measured first: cores ÷ the service
 * time of one stream. Clients arrive in an open loop, and every time counts from the intended start.
 */
import { availableParallelism } from 'node:os'
import { poissonSchedule } from '../../profiler/load/schedule.ts'
import { rank, tailOf } from '../../profiler/samples/percentiles.ts'
import { serviceTime } from '../rows/block-row.ts'
import { judge } from '../rows/gate.ts'
import type { SaturatedScenario } from '../scenarios/saturated.ts'
import type { RoutePlan, ServerPlan } from '../servers/server-plan.ts'
import type { Loaded } from '../testbed/test-server.ts'
import { figure, type Figure, type Side } from './figure.ts'
import { inAlternation, type Bench } from './rounds.ts'

const CONTENDERS = ['saturated', 'nice 0', 'idle', 'alone'] as const
type Contender = (typeof CONTENDERS)[number]

interface Measured {
  /** Slow first bytes of the pool's streams (undefined where there are none) and of the fast route's. */
  poolTailMs: number | undefined
  besideTailMs: number
  failures: string[]
}

const SERVICE_SAMPLES = 25
const WARM_UP_STREAMS = 50
const DRAIN_MS = 20_000
const FAST: RoutePlan = { executor: 'inline', flush: 'event', producer: { name: 'single' } }

export async function measureSaturated(bench: Bench, scenario: SaturatedScenario): Promise<Figure[]> {
  const { testbed, quick, seed } = bench
  const { name, blockMs, load, goal, besidePerSecond } = scenario
  const arrivals = quick ? scenario.quickArrivals : scenario.arrivals
  const serviceMs = await serviceTime(testbed, blockMs, quick ? 1 : SERVICE_SAMPLES)
  const perSecond = (load * availableParallelism() * 1_000) / serviceMs
  const schedule = poissonSchedule(arrivals, perSecond, seed)
  const lastsS = (schedule.at(-1) ?? 0) / 1_000
  const besideSchedule = poissonSchedule(Math.ceil(lastsS * besidePerSecond), besidePerSecond, seed + 1)
  const tail = tailOf(schedule.length)
  const besideTail = tailOf(besideSchedule.length)
  const warmUp = new Float64Array(quick ? 1 : WARM_UP_STREAMS)

  const measured = await inAlternation(bench, scenario.rounds, CONTENDERS, async (contender) =>
    testbed.withServer(plan(contender), async (server): Promise<Measured> => {
      await Promise.all([server.openLoop(warmUp, DRAIN_MS), server.openLoop(warmUp, DRAIN_MS, 'beside')])
      const fast = server.openLoop(besideSchedule, DRAIN_MS, 'beside')
      const [beside, pool] = await Promise.all([
        fast,
        contender === 'alone' ? undefined : server.openLoop(schedule, DRAIN_MS),
      ])
      return {
        poolTailMs: pool === undefined ? undefined : slowFirstByte(pool, tail.fraction),
        besideTailMs: slowFirstByte(beside, besideTail.fraction),
        failures: [
          ...judge(beside.recording, besideSchedule).failures,
          ...(pool === undefined ? [] : judge(pool.recording, schedule).failures),
        ],
      }
    }),
  )

  function plan(contender: Contender): ServerPlan {
    return {
      ...testbed.executorOf('workers'),
      flush: 'event',
      producer: testbed.blockFor(contender === 'saturated' || contender === 'nice 0' ? blockMs : 0),
      beside: FAST,
      ...(contender === 'nice 0' ? { workers: { niceIncrement: 0 } } : {}),
    }
  }
  const side = (contender: Contender, of: 'poolTailMs' | 'besideTailMs'): Side => ({
    contender,
    values: measured[contender].map((one) => one[of] ?? NaN),
  })
  const compared = (
    what: string,
    of: 'poolTailMs' | 'besideTailMs',
    subject: Contender,
    baseline: Contender,
  ): Figure =>
    figure(
      {
        scenario: name,
        what,
        formula: `first byte of the status line − intended start; clients: ${load} × cores × 1,000 ÷ S = ${perSecond.toFixed(0)}/s, S = ${serviceMs.toFixed(1)} ms`,
        goal: subject === 'saturated' && of === 'poolTailMs' ? goal : undefined,
      },
      side(subject, of),
      side(baseline, of),
      [...measured[subject], ...measured[baseline]].flatMap(({ failures }) => failures),
    )
  return [
    compared(`TTFB ${tail.name}, ms`, 'poolTailMs', 'saturated', 'idle'),
    compared(`TTFB ${tail.name}, ms`, 'poolTailMs', 'nice 0', 'idle'),
    compared(`TTFB ${besideTail.name} of a fast route beside, ms`, 'besideTailMs', 'saturated', 'alone'),
    compared(`TTFB ${besideTail.name} of a fast route beside, ms`, 'besideTailMs', 'nice 0', 'alone'),
  ]
}

function slowFirstByte({ recording }: Loaded, fraction: number): number {
  return rank(recording.firstByteMs.toSorted(), fraction)
}
