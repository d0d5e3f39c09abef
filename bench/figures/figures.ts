import type { FigureScenario } from '../scenarios/scenarios.ts'
import { measureCompression } from './compression.ts'
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

export async function measureFigures(bench: Bench, scenario: FigureScenario): Promise<Figure[]> {
  switch (scenario.kind) {
    case 'one-stream':
      return measureOneStream(bench, scenario)
    case 'many-streams':
      return measureManyStreams(bench, scenario)
    case 'idle-latency':
      return measureIdleLatency(bench, scenario)
    case 'saturated':
      return measureSaturated(bench, scenario)
    case 'short-streams':
      return measureShortStreams(bench, scenario)
    case 'peers':
      return measurePeers(bench, scenario)
    case 'idle-streams':
      return measureIdleStreams(bench, scenario)
    case 'compression':
      return measureCompression(bench, scenario)
    case 'isolation':
      return measureIsolation(bench, scenario)
    case 'tls':
      return measureTls(bench, scenario)
    default:
      return scenario satisfies never
  }
}
