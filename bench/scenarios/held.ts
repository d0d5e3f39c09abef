/** More and more open streams in a rhythm, in one process, until something bends; and new clients beside them. */
export interface HeldScenario {
  kind: 'held'
  name: string
  executors: readonly ('inline' | 'workers')[]
  /** How many are open while the server is measured, ascending; those that the process may not open are left out. */
  steps: readonly number[]
  quickSteps: readonly number[]
  /** Between two events of a stream. */
  everyMs: number
  /** New clients beside them, for as long as they come. */
  perSecond: number
  arrivals: number
  quickArrivals: number
  inFull: true
}

export const HELD: HeldScenario = {
  kind: 'held',
  name: 'held',
  executors: ['inline', 'workers'],
  steps: [0, 10_000, 15_000, 20_000, 30_000, 40_000, 50_000, 60_000],
  quickSteps: [0, 20, 40],
  everyMs: 1_000,
  perSecond: 50,
  arrivals: 1_000,
  quickArrivals: 10,
  inFull: true,
}
