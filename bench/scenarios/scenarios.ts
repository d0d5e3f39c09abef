/**
 * What is measured, as data: a file for each family of scenarios, and all of them here, in their order. Times: a stream
 * that blocks for B ms costs one thread a little more than B, its service time S, which is measured first; a load of 1.0
 * is one client every S ms.
 *
 * Why these numbers: a 99th percentile needs 1,000 arrivals, and 1,000 arrivals at half of a thread's capacity
 * take 2,000 times S. All of them in every row would take three minutes. So in the default run those rows have
 * them that are quoted with a p99: all in overload, `inline` and `workers` below it. The others have enough to
 * show that they look like them, and no p99. `--full` gives 1,000 to every row of `block-5ms`.
 */
import { BLOCKS, type BlockScenario } from './block.ts'
import { COMPRESSION, type CompressionScenario } from './compression.ts'
import { FAN_OUT, type FanOutScenario } from './fan-out.ts'
import { HELD, type HeldScenario } from './held.ts'
import { IDLE_LATENCY, type IdleLatencyScenario } from './idle-latency.ts'
import { IDLE_STREAMS, type IdleStreamsScenario } from './idle-streams.ts'
import { ISOLATION, type IsolationScenario } from './isolation.ts'
import { MANY_STREAMS, TOKENS, type ManyStreamsScenario } from './many-streams.ts'
import { MICRO, type MicroScenario } from './micro.ts'
import { BURST_10000, LARGE, WAY_BACK, type OneStreamScenario } from './one-stream.ts'
import { ON_PEERS, type PeersScenario } from './peers.ts'
import { RATES, type RateScenario } from './rate.ts'
import { SATURATED, type SaturatedScenario } from './saturated.ts'
import { OPEN_CLOSE, SHORT, type ShortStreamsScenario } from './short-streams.ts'
import { TLS, type TlsScenario } from './tls.ts'
import { WRITE_PATH, type WritePathScenario } from './write-path.ts'

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
  | WritePathScenario
  | FanOutScenario

export type Scenario = BlockScenario | RateScenario | MicroScenario | HeldScenario | FigureScenario

export const SCENARIOS: readonly Scenario[] = [
  ...BLOCKS,
  ...RATES,
  ...MICRO,
  ...WAY_BACK,
  MANY_STREAMS,
  TOKENS,
  BURST_10000,
  IDLE_LATENCY,
  SATURATED,
  LARGE,
  SHORT,
  ON_PEERS,
  OPEN_CLOSE,
  IDLE_STREAMS,
  HELD,
  ISOLATION,
  TLS,
  ...WRITE_PATH,
  ...FAN_OUT,
  ...COMPRESSION,
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
