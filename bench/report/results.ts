import type { Figure } from '../figures/figure.ts'
import type { EncodeRow } from '../micro/encode.ts'
import type { HandOffRow } from '../micro/hand-off.ts'
import type { BlockRow } from '../rows/block-row.ts'
import type { HeldLimit, HeldRow } from '../rows/held-row.ts'
import type { RateRow } from '../rows/rate-row.ts'
import type { RunFacts } from './run-facts.ts'

/** Everything that a run has found, as far as it came. */
export interface Results extends RunFacts {
  full: boolean
  /** One stream's service time on an idle server's thread, by how long it blocks, in ms: a load of 1.0. */
  serviceMs: Record<string, number>
  blocks: BlockRow[]
  rates: RateRow[]
  encode: EncodeRow[]
  handOff: HandOffRow[]
  held: { rows: HeldRow[]; limits: HeldLimit[] }
  figures: Figure[]
}

/** Rows that failed the validity gate. A quick run has none: its counts are too small to be judged. */
export function invalidRows({
  quick,
  blocks,
  rates,
  held,
  figures,
}: Results): readonly (BlockRow | RateRow | HeldRow | Figure)[] {
  if (quick) return []
  return [
    ...[...blocks, ...rates, ...held.rows].filter(({ gate }) => gate.failures.length > 0),
    ...figures.filter(({ failures }) => failures.length > 0),
  ]
}

export function failedStreams({ blocks }: Pick<Results, 'blocks'>): number {
  return blocks.flatMap(({ errors }) => Object.values(errors)).reduce((total, count) => total + count, 0)
}
