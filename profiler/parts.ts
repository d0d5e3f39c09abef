/** What is divided among several processes, and added up again. */

/** Which part of a load one of several processes makes: of all arrivals each `of`-th, from its `place` on. */
export interface Part {
  /** From 0. */
  place: number
  of: number
}

/** How many of so many are one part's: as evenly as possible. */
export function shareOf(count: number, { place, of }: Part): number {
  return Math.ceil((count - place) / of)
}

/** Adds up what was counted under the same names. */
export function sums<Counts extends { [Key in keyof Counts]?: number }>(parts: readonly Counts[]): Counts {
  const sum: Record<string, number> = {}
  for (const part of parts) {
    for (const [key, count] of Object.entries<number>(part as Record<string, number>)) {
      sum[key] = (sum[key] ?? 0) + count
    }
  }
  return sum as Counts
}
