/** What follows from the valid rows, in ratios within one run: absolute figures drift from machine to machine. */
import type { BlockRow } from '../rows/block-row.ts'
import type { Contender } from '../scenarios/contender.ts'
import type { Results } from './results.ts'

/** The first byte's 99th percentile in one scenario, in ms. */
export interface Conclusion {
  scenario: string
  load: number
  executor: string
  firstByteP99Ms: number
  /** ÷ the same of the idle route. */
  toIdle: number | undefined
  /** ÷ the same by theory. */
  toTheory: number | undefined
}

/** How much later than on an idle server the first byte may be behind workers that are overloaded. */
export const PROMISED_TO_IDLE = 5

export function conclusions({ blocks, quick }: Pick<Results, 'blocks' | 'quick'>): Conclusion[] {
  if (quick) return []
  const valid = blocks.filter(({ gate }) => gate.failures.length === 0)
  return valid.flatMap((row) => {
    const { p99 } = row.firstByteMs
    if (p99 === undefined || row.contender === 'idle') return []
    const idle = find(valid, row.scenario, 'idle')?.firstByteMs.p99
    const expected = row.theory?.firstByteMs.p99
    return {
      scenario: row.scenario,
      load: row.load,
      executor: row.executor,
      firstByteP99Ms: p99,
      toIdle: idle === undefined ? undefined : p99 / idle,
      toTheory: expected === undefined ? undefined : p99 / expected,
    }
  })
}

function find(blocks: readonly BlockRow[], scenario: string, contender: Contender): BlockRow | undefined {
  return blocks.find((row) => row.scenario === scenario && row.contender === contender)
}
