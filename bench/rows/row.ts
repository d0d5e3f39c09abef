/**
 * Rows: what one contender did in one scenario, and whether that counts. There are rows of clients that arrive at random
 * (`block-row.ts`), of one stream as fast as it goes (`rate-row.ts`), and of streams that are held open
 * (`held-row.ts`).
 */
import type { Gate } from './gate.ts'

/** What all rows have in common. */
export interface Row {
  scenario: string
  executor: string
  gate: Gate
}

/** What a load took of its server: active time of the event loop, CPU time of the process, memory after it. */
export interface ServerCost {
  activeMs: number
  cpuMs: number
  rssBytes: number
}
