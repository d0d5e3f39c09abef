import type { Peer } from '../servers/peers.ts'
import type { Goal, RoundsScenario } from './rounds.ts'

/** One client takes one stream as fast as its events come, from headfirst and from other libraries. */
export interface PeersScenario extends RoundsScenario {
  kind: 'peers'
  eventBytes: number
  /** Of headfirst's stream, and of each peer's: so many that it takes a second or more. */
  events: number
  quickEvents: number
  peers: readonly { peer: Peer; events: number; goal: Goal | undefined }[]
}

export const ON_PEERS: PeersScenario = {
  kind: 'peers',
  name: 'peers',
  eventBytes: 58,
  events: 2_000_000,
  quickEvents: 1_000,
  peers: [
    { peer: '@fastify/sse', events: 1_000_000, goal: { is: 'at least', ratio: 3 } },
    { peer: 'better-sse', events: 1_000_000, goal: { is: 'at least', ratio: 3 } },
    { peer: 'fastify-sse-v2', events: 500_000, goal: { is: 'at least', ratio: 3 } },
    { peer: 'hono', events: 300_000, goal: { is: 'at least', ratio: 3 } },
    { peer: 'better-sse batch', events: 2_000_000, goal: undefined },
  ],
  rounds: 4,
  quick: true,
}
