import type { Testbed } from '../testbed/testbed.ts'

/** What a figure is measured with. */
export interface Bench {
  testbed: Testbed
  /** Tiny counts, and everything at once: shows that all works, and measures nothing. */
  quick: boolean
  /** Of arrival times. */
  seed: number
  /** In place of a scenario's own number of rounds. */
  rounds: number | undefined
  /** Says what is measured now. */
  tell: (what: string) => void
}

/** Measures each contender once a round, in alternating order: A B, B A, A B, … */
export async function inAlternation<Contender extends string, Measured>(
  { quick, tell, rounds: wanted }: Bench,
  usual: number,
  contenders: readonly Contender[],
  measure: (contender: Contender, round: number) => Promise<Measured>,
): Promise<Record<Contender, Measured[]>> {
  const measured = new Map<Contender, Measured[]>(contenders.map((contender) => [contender, []]))
  const once = async (contender: Contender, round: number): Promise<void> => {
    tell(contender)
    measured.get(contender)?.push(await measure(contender, round))
  }
  const rounds = wanted ?? usual
  if (quick) await Promise.all(contenders.map(async (contender) => once(contender, 0)))
  else {
    for (let round = 0; round < rounds; round++) {
      for (const contender of round % 2 === 0 ? contenders : contenders.toReversed())
        await once(contender, round)
    }
  }
  return Object.fromEntries(measured) as Record<Contender, Measured[]>
}
