/**
 * Many open streams with an event a second each, in one process: what that costs the server's thread, how late the
 * events are, and how soon new clients have their first byte meanwhile. Then more of them, until something bends.
 *
 * All events go through one timer per thread, as in a program whose clients all get the same; see `hub` in
 * `producers.ts`. An event's latency counts from when it was due, and a new client's first byte from its intended start.
 * In the end every stream is ended by the server, and what it has sent must be what its clients have received.
 *
 * The load generator shares the machine. What bends at it is no limit of the server: such a row is INVALID.
 */
import { poissonSchedule } from '../../profiler/load/schedule.ts'
import { percentiles, rank, type Percentiles } from '../../profiler/samples/percentiles.ts'
import { UsageError } from '../../profiler/usage-error.ts'
import type { HeldScenario } from '../scenarios/held.ts'
import type { TestServer } from '../testbed/test-server.ts'
import type { Testbed } from '../testbed/testbed.ts'
import { judge } from './gate.ts'
import type { Row } from './row.ts'

export interface HeldRow extends Row {
  /** Open all the time. */
  streams: number
  /** Events a second on all of them: that should be, and that came. */
  offered: number
  received: number
  /** Of the new clients. */
  firstByteMs: Percentiles
  /** From when an event was due until its receipt; undefined without any. */
  latencyMs: { p50: number; p99: number } | undefined
  /** Of the server's own thread: share of time in which its loop was active, and its CPU time ÷ events, in µs. */
  utilisation: number
  mainCpuUs: number
  rssBytes: number
  /** What bends, in words; empty while all holds. */
  bends: string[]
}

/** Where the climb has ended. */
export interface HeldLimit {
  executor: string
  /** The most at which all held. */
  held: number
  /** Why there are not more. */
  why: string
}

/** Beyond it a loop has its own queue in all that it does. */
const MOST_UTILISATION = 0.85
const LEAST_RECEIVED = 0.98
/** A new client that waits longer feels it. */
const MOST_FIRST_BYTE_P99_MS = 100
/** Files that the server needs besides its streams. */
const SPARE_FILES = 500
/** What a pool gives to one thread at most. */
const OF_ONE_THREAD = 10_000
const SETTLING_MS = 3_000
const DRAIN_MS = 20_000

/**
 * File descriptors that a process may have; Node has raised its soft limit to the hard one.
 *
 * @returns Infinity where the system has no limit, or no report of it
 */
export function mostFiles(): number {
  const report = process.report.getReport() as unknown as {
    userLimits?: { open_files?: { soft: string | number } }
  }
  const limit = Number(report.userLimits?.open_files?.soft ?? Infinity)
  return Number.isNaN(limit) ? Infinity : limit
}

/**
 * The steps that fit, and one at the limit if some do not.
 *
 * @throws UsageError when not even the first does
 */
export function stepsWithin(steps: readonly number[], files: number): number[] {
  const most = files - SPARE_FILES
  const [least = 0] = steps.filter((step) => step > 0)
  if (most < least) {
    throw new UsageError(
      `held: ${least} open streams need as many file descriptors, and this process may have ${files}. Raise it in this shell first: ulimit -n ${least + SPARE_FILES}`,
    )
  }
  const fitting = steps.filter((step) => step <= most)
  if (fitting.length === steps.length) return fitting
  // Not worth a step of its own where it is hardly more.
  return most > (fitting.at(-1) ?? 0) * 1.1 ? [...fitting, most] : fitting
}

interface HeldPlan {
  executor: 'inline' | 'workers'
  quick: boolean
  seed: number
  tell: (what: string) => void
}

/** @throws when streams were cut, or events are missing */
export async function measureHeld(
  testbed: Testbed,
  scenario: HeldScenario,
  plan: HeldPlan,
): Promise<{ rows: HeldRow[]; limit: HeldLimit }> {
  const { executor, quick } = plan
  const { everyMs } = scenario
  const steps = quick ? scenario.quickSteps : stepsWithin(scenario.steps, mostFiles())
  const most = Math.max(...steps)
  const threads = Math.max(1, Math.ceil(most / OF_ONE_THREAD))
  const server = {
    ...testbed.executorOf(executor),
    flush: 'event',
    producer: { name: 'hub', input: { everyMs } },
    workers: { threads, streamsPerThread: Math.ceil(most / threads) },
    beside: { executor: 'inline', flush: 'event', producer: { name: 'single' } },
  } as const
  return testbed.withServer(server, async (running) => climb(running, scenario, { ...plan, steps }))
}

async function climb(
  server: TestServer,
  scenario: HeldScenario,
  { executor, quick, seed, tell, steps }: HeldPlan & { steps: readonly number[] },
): Promise<{ rows: HeldRow[]; limit: HeldLimit }> {
  const rows: HeldRow[] = []
  const arrivals = quick ? scenario.quickArrivals : scenario.arrivals
  const schedule = poissonSchedule(arrivals, scenario.perSecond, seed)
  let open = 0
  for (const streams of steps) {
    tell(`${executor}, ${streams} streams`)
    // The first client of a server pays for much that the next ones find done.
    if (open === 0) await server.openLoop(schedule.slice(0, 10), DRAIN_MS, 'beside')
    await server.hold(streams - open, quick ? 0 : SETTLING_MS)
    open = streams
    const row = await look(server, { scenario, executor, streams, schedule })
    rows.push(row)
    if (!quick && streams > 0 && row.bends.length + row.gate.failures.length > 0) break
  }
  tell(`${executor}, their end`)
  await server.endHeld()
  const last = rows.at(-1) as HeldRow
  const good = rows.findLast(({ bends, gate }) => bends.length + gate.failures.length === 0)
  const reasons = [...last.bends, ...last.gate.failures.map((failure) => `the load generator: ${failure}`)]
  const why =
    reasons.length > 0
      ? `at ${last.streams.toLocaleString('en')}: ${reasons.join(', ')}`
      : 'a process may not open more files here'
  return { rows, limit: { executor, held: good?.streams ?? 0, why } }
}

async function look(
  server: TestServer,
  {
    scenario,
    executor,
    streams,
    schedule,
  }: { scenario: HeldScenario; executor: string; streams: number; schedule: Float64Array },
): Promise<HeldRow> {
  const { recording, activeMs, mainCpuMs, rssBytes, forMs, heard } = await server.besideHeld(
    schedule,
    DRAIN_MS,
  )
  const offered = (streams * 1_000) / scenario.everyMs
  const received = (heard.events * 1_000) / forMs
  const firstByteMs = percentiles(recording.firstByteMs)
  const latencies = heard.latenciesMs.toSorted()
  const utilisation = activeMs / forMs
  const bends: string[] = []
  if (utilisation > MOST_UTILISATION) bends.push(`the server's loop is ${percent(utilisation)} busy`)
  if (offered > 0 && received / offered < LEAST_RECEIVED)
    bends.push(`${percent(received / offered)} of the events come`)
  const slowest = firstByteMs.p99 ?? firstByteMs.p50
  if (slowest > MOST_FIRST_BYTE_P99_MS) bends.push(`first byte p99 ${Math.round(slowest)} ms`)
  return {
    scenario: scenario.name,
    executor,
    streams,
    offered,
    received,
    firstByteMs,
    latencyMs: latencies.length === 0 ? undefined : { p50: rank(latencies, 0.5), p99: rank(latencies, 0.99) },
    utilisation,
    mainCpuUs: (mainCpuMs * 1_000) / heard.events,
    rssBytes,
    gate: judge(recording, schedule),
    bends,
  }
}

function percent(fraction: number): string {
  return `${Math.round(fraction * 100)} %`
}
