/**
 * Figures: one contender against another, in rounds that alternate. Each kind of scenario has a file, which opens with
 * what is compared and why it is valid; what a figure is stands in `figure.ts`.
 */
import type { FigureScenario } from '../scenarios/scenarios.ts'
import { measureCompression } from './compression.ts'
import { measureFanOut } from './fan-out.ts'
import type { Figure } from './figure.ts'
import { measureIdleLatency } from './idle-latency.ts'
import { measureIdleStreams } from './idle-streams.ts'
import { measureIsolation } from './isolation.ts'
import { measureManyStreams } from './many-streams.ts'
import { measureOneStream } from './one-stream.ts'
import { measurePeers } from './peers.ts'
import type { Bench } from './rounds.ts'
import { measureSaturated } from './saturated.ts'
import { measureShortStreams } from './short-streams.ts'
import { measureTls } from './tls.ts'
import { measureWritePath } from './write-path.ts'

type Measures<Scenario> = (bench: Bench, scenario: Scenario) => Promise<Figure[]>

const MEASURES: { [Kind in FigureScenario['kind']]: Measures<Extract<FigureScenario, { kind: Kind }>> } = {
  'one-stream': measureOneStream,
  'many-streams': measureManyStreams,
  'idle-latency': measureIdleLatency,
  saturated: measureSaturated,
  'short-streams': measureShortStreams,
  peers: measurePeers,
  'idle-streams': measureIdleStreams,
  compression: measureCompression,
  isolation: measureIsolation,
  tls: measureTls,
  'write-path': measureWritePath,
  'fan-out': measureFanOut,
}

export async function measureFigures(bench: Bench, scenario: FigureScenario): Promise<Figure[]> {
  const measure = MEASURES[scenario.kind] as Measures<FigureScenario>
  return measure(bench, scenario)
}
