/** What a server under test is to run, and what it is asked. */
import type { FlushMode, RouteStats, WorkersOptions } from 'headfirst'
import type { Coding } from '../load/decoded-body.ts'
import type { BurstPlan } from './payload.ts'
import type { Peer } from './peers.ts'
import type { FanPlan, HubPlan, TickerPlan } from './producers.ts'
import type { Memory, Usage } from './usage.ts'

/** One route: a producer, and where it runs. */
export interface RoutePlan {
  /** A built-in executor's name, `naive`, or any other if the server's `module` is given. */
  executor: string
  flush: FlushMode
  producer: ProducerPlan
  /** What the body is compressed in, and its clients ask for. Default: not at all. */
  coding?: Coding | undefined
  /** Whether each chunk goes through Node's own response, as it did before headfirst framed chunks. Default: no. */
  framedByNode?: boolean
}

export interface ServerPlan extends RoutePlan {
  /** URL of a module whose default export is the executor, or makes it. */
  module: string | undefined
  /** Options of the executor `workers`, where they are not those for producers that block. */
  workers?: WorkersOptions
  /** A second route of the same server. */
  beside?: RoutePlan
  /** Whether it speaks HTTPS. Default: no. */
  tls?: boolean
}

/** A server of another library, or of none: see `peers/`. */
export interface PeerPlan {
  peer: Peer
  producer: ProducerPlan
  /** A second route of the same server. */
  beside?: { producer: ProducerPlan }
}

/** Which of a server's routes: that of its plan, or the second one. */
export type RouteName = 'main' | 'beside'

export type ProducerPlan =
  | { name: 'single' | 'subscribe' | 'wait'; input?: undefined }
  | { name: 'block'; input: { steps: number } }
  | { name: 'own'; input?: undefined; module: string }
  | { name: 'nap' | 'pause'; input: { ms: number } }
  | { name: 'burst'; input: BurstPlan }
  | { name: 'ticker'; input: TickerPlan }
  | { name: 'hub'; input: HubPlan }
  | { name: 'fan'; input: FanPlan }

/** All counts since the server's start. */
export interface Snapshot extends Usage {
  /** Streams that are open now; where a server does not count them, connections. */
  open: Record<RouteName, number>
  /** Undefined where the server does not count. */
  routes: Record<RouteName, RouteStats> | undefined
}

/** Where a server listens, on the loopback interface. */
export interface Address {
  port: number
  paths: Record<RouteName, string>
}

/** What a server of any library is asked. A type and not an interface: those have no index signature. */
export type ServerQuestions<Plan = ServerPlan> = {
  start(plan: Plan): Promise<Address>
  snapshot(): Promise<Snapshot>
  memory(): Promise<Memory>
}

/** What ours is asked besides. */
export type OwnServerQuestions = ServerQuestions & {
  /** Ends the streams of every hub. */
  endHubs(): void
}

export const PATHS = { main: '/stream', beside: '/beside' } as const
