import type { RoundsScenario } from './rounds.ts'

/** A fast inline route beside a slow one, on each executor. */
export interface IsolationScenario extends RoundsScenario {
  kind: 'isolation'
  /** The slow route: CPU work of a stream, and offered load in times one thread's capacity. */
  blockMs: number
  load: number
  executors: readonly ('inline' | 'microtask' | 'deferred' | 'workers')[]
  /** The fast one: clients in all, and a second. */
  arrivals: number
  quickArrivals: number
  fastPerSecond: number
}

export const ISOLATION: IsolationScenario = {
  kind: 'isolation',
  name: 'isolation',
  blockMs: 50,
  load: 0.8,
  executors: ['inline', 'microtask', 'deferred', 'workers'],
  arrivals: 1_000,
  quickArrivals: 10,
  fastPerSecond: 100,
  rounds: 3,
  quick: true,
}
