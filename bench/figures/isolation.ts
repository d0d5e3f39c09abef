/**
 * A fast inline route beside a slow one: how much later the fast one's first byte is for that. The slow route's
 * producers compute, on one executor after another; `alone` is the same server with clients of the fast route only.
 *
 * What `inline` must show is arithmetic: both routes are one queue, in which a fast stream waits for what is left of the
 * slow ones before it. It is printed with the formula.
 */
import { poissonSchedule } from '../../profiler/load/schedule.ts'
import { median, rank, tailOf } from '../../profiler/samples/percentiles.ts'
import { serviceTime } from '../rows/block-row.ts'
import { judge } from '../rows/gate.ts'
import type { IsolationScenario } from '../scenarios/isolation.ts'
import type { RoutePlan } from '../servers/server-plan.ts'
import { lindleyWaits } from '../statistics/theory.ts'
import { figure, type Figure, type Side } from './figure.ts'
import { inAlternation, type Bench } from './rounds.ts'

const ALONE = 'alone'
const SERVICE_SAMPLES = 10
const WARM_UP_STREAMS = 8
const DRAIN_MS = 20_000
const FAST: RoutePlan = { executor: 'inline', flush: 'event', producer: { name: 'single' } }

interface Measured {
  /** First byte of the fast route. */
  p50Ms: number
  tailMs: number
  /** Active time of the server's loop for each stream of the fast route, where there are no others. */
  serviceMs: number
  failures: string[]
}

export async function measureIsolation(bench: Bench, scenario: IsolationScenario): Promise<Figure[]> {
  const { testbed, quick, seed } = bench
  const { name, blockMs, load, fastPerSecond, executors } = scenario
  const arrivals = quick ? scenario.quickArrivals : scenario.arrivals
  const serviceMs = await serviceTime(testbed, blockMs, quick ? 1 : SERVICE_SAMPLES)
  const fast = poissonSchedule(arrivals, fastPerSecond, seed)
  const slowPerSecond = (load * 1_000) / serviceMs
  const lastsMs = fast.at(-1) ?? 0
  const slow = poissonSchedule(Math.ceil((lastsMs * slowPerSecond) / 1_000), slowPerSecond, seed + 1)
  const warmUp = new Float64Array(WARM_UP_STREAMS)
  const tail = tailOf(arrivals)

  const measured = await inAlternation(bench, scenario.rounds, [ALONE, ...executors], async (contender) => {
    const executor = testbed.executorOf(contender === ALONE ? 'inline' : contender)
    const plan = { ...executor, flush: 'event', producer: testbed.blockFor(blockMs), beside: FAST } as const
    return testbed.withServer(plan, async (server): Promise<Measured> => {
      await server.openLoop(warmUp, DRAIN_MS)
      await server.openLoop(warmUp, DRAIN_MS, 'beside')
      const [beside, main] = await Promise.all([
        server.openLoop(fast, DRAIN_MS, 'beside'),
        contender === ALONE ? undefined : server.openLoop(slow, DRAIN_MS),
      ])
      const sorted = beside.recording.firstByteMs.toSorted()
      return {
        p50Ms: median(sorted),
        tailMs: rank(sorted, tail.fraction),
        serviceMs: beside.activeMs / arrivals,
        failures: [
          ...judge(beside.recording, fast).failures,
          ...(main === undefined ? [] : judge(main.recording, slow).failures),
        ],
      }
    })
  })

  const fastServiceMs = median(measured[ALONE].map((one) => one.serviceMs))
  const aloneMs = median(measured[ALONE].map((one) => one.p50Ms))
  const expected = rank(fastWaits(fast, fastServiceMs, slow, serviceMs).toSorted(), tail.fraction) + aloneMs
  const theory = `. One queue of both would have ${expected.toPrecision(3)} (${slowPerSecond.toFixed(1)} streams/s of ${serviceMs.toFixed(1)} ms, ${fastPerSecond}/s of ${fastServiceMs.toFixed(2)} ms)`
  const side = (contender: typeof ALONE | (typeof executors)[number]): Side => ({
    contender: contender === ALONE ? ALONE : `beside ${contender}`,
    values: measured[contender].map(({ tailMs }) => tailMs),
  })
  return executors.map((executor) =>
    figure(
      {
        scenario: name,
        what: `TTFB ${tail.name} of a fast route, ms${executor === 'inline' ? ' (one queue)' : ''}`,
        formula: `first byte of the status line − intended start${executor === 'inline' ? theory : ''}`,
        goal: undefined,
      },
      side(executor),
      side(ALONE),
      [...measured[executor], ...measured[ALONE]].flatMap(({ failures }) => failures),
    ),
  )
}

/** How long each fast stream waits in the one queue of both. */
function fastWaits(fast: Float64Array, fastMs: number, slow: Float64Array, slowMs: number): Float64Array {
  const both = [
    ...Array.from(fast, (atMs) => ({ atMs, serviceMs: fastMs, isFast: true })),
    ...Array.from(slow, (atMs) => ({ atMs, serviceMs: slowMs, isFast: false })),
  ].toSorted((one, other) => one.atMs - other.atMs)
  const waits = lindleyWaits(
    Float64Array.from(both, ({ atMs }) => atMs),
    Float64Array.from(both, ({ serviceMs }) => serviceMs),
  )
  return waits.filter((_, index) => both[index]?.isFast === true)
}
