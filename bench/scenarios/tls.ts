import type { RhythmLoad, RoundsScenario } from './rounds.ts'

/** Behind TLS and without. */
export interface TlsScenario extends RoundsScenario {
  kind: 'tls'
  rhythm: RhythmLoad
  /** Of one event each. */
  streams: number
  quickStreams: number
  atATime: number
}

export const TLS: TlsScenario = {
  kind: 'tls',
  name: 'tls',
  rhythm: { is: 'rhythm', streams: 200, quickStreams: 5, everyMs: 40, forMs: 4_000, quickForMs: 100 },
  streams: 2_000,
  quickStreams: 20,
  atATime: 32,
  rounds: 4,
  quick: true,
}
