/** What has to hold at the end of a soak. */
import { numberText } from '../../profiler/report/cells.ts'
import { line, type Line } from '../statistics/line.ts'
import { KILL_PATH, KINDS, pathsOf, type Kind } from './kinds.ts'
import type { SoakResults } from './results.ts'
import type { Count } from './server.ts'
import type { Tally } from './tally.ts'

export interface Check {
  what: string
  found: string
  expected: string
  holds: boolean
}

/** The heap of the first part is that of a program that gets warm: functions are compiled and optimized. */
export const WARM_UP_SHARE = 0.2
const FEWEST_SAMPLES = 20
/** As much as a hundred bytes for each stream, of which there are some 5,000 a minute. */
export const MOST_GROWTH_KB = 512
/** What Node, or the system, opens at some time or other. */
const FEW_FILES = 4

/** Every stream of these comes to its end. */
const COMPLETE: readonly Kind[] = ['probe', 'short', 'long', 'slow']

/** kB of heap a minute after the warm-up; undefined of too few samples. */
export function heapGrowth({ samples, quick }: SoakResults): Line | undefined {
  const warm = samples.slice(Math.ceil(samples.length * WARM_UP_SHARE))
  if (quick || warm.length < FEWEST_SAMPLES) return undefined
  return line(
    warm.map(({ atSeconds }) => atSeconds / 60),
    warm.map(({ heapBytes }) => heapBytes / 1_000),
  )
}

/** Empty where the load did not come to its end. */
export function checks(results: SoakResults): Check[] {
  const { before, after, closedAfterMs } = results
  if (before === undefined || after === undefined) return []
  return [...counts(results), ...rest(results), ...growth(results), closing(closedAfterMs)]
}

const same = (what: string, found: number, expected: number): Check => ({
  what,
  found: numberText(found),
  expected: numberText(expected),
  holds: found === expected,
})

const sumOf = (paths: readonly string[], of: (path: string) => number): number =>
  paths.reduce((total, path) => total + of(path), 0)

function counts({ counts: served, tallies }: SoakResults): Check[] {
  const paths = Object.keys(tallies)
  const tally = (path: string): Tally => tallies[path] as Tally
  const count = (path: string): Count => served[path] as Count
  const kind = (...kinds: readonly Kind[]): string[] =>
    kinds.flatMap(pathsOf).filter((path) => tallies[path] !== undefined)
  const complete = kind(...COMPLETE)
  const mortal = [...kind('mortal'), KILL_PATH].filter((path) => tallies[path] !== undefined)
  const closed = (path: string): number =>
    Object.values(count(path).closed).reduce((total, number) => total + number, 0)
  return [
    same(
      'streams that came to their end, of those that should',
      sumOf(complete, (path) => tally(path).good),
      sumOf(complete, (path) => tally(path).streams),
    ),
    same(
      'the same, as the server has closed them (ended)',
      sumOf(complete, (path) => count(path).closed.ended ?? 0),
      sumOf(complete, (path) => tally(path).streams),
    ),
    same(
      'events received on them, of those sent',
      sumOf(complete, (path) => tally(path).events),
      sumOf(complete, (path) => count(path).events),
    ),
    same(
      'streams with a hole or a duplicate, wherever they stopped',
      sumOf(paths, (path) => tally(path).holes),
      0,
    ),
    same(
      'streams that went wrong',
      sumOf(paths, (path) => tally(path).failed) +
        sumOf(
          paths.filter((path) => !mortal.includes(path)),
          (path) => tally(path).broken,
        ),
      0,
    ),
    same(
      'streams that broke with their thread, of those lost',
      sumOf(mortal, (path) => tally(path).broken),
      sumOf(mortal, (path) => count(path).closed.lost ?? 0),
    ),
    same(
      'closes told, of streams opened',
      sumOf(paths, closed),
      sumOf(paths, (path) => count(path).opened),
    ),
  ]
}

function rest({ before, after, tallies }: SoakResults): Check[] {
  if (before === undefined || after === undefined) return []
  const refused = Object.values(tallies).reduce((total, tally) => total + tally.refused, 0)
  const more = (after.files ?? 0) - (before.files ?? 0)
  return [
    same('clients refused (503), of those that the server refused', refused, after.refused - before.refused),
    same('streams open at the end', after.open, 0),
    same('streams that run or wait on an executor', after.running, 0),
    same('connections open at the end', after.connections, 0),
    {
      what: 'file descriptors more than before',
      found: numberText(more),
      expected: `≤ ${FEW_FILES}`,
      holds: more <= FEW_FILES,
    },
    {
      what: 'threads more than before',
      found: numberText((after.threads ?? 0) - (before.threads ?? 0)),
      expected: '≤ 0',
      holds: (after.threads ?? 0) <= (before.threads ?? 0),
    },
  ]
}

function growth(results: SoakResults): Check[] {
  const grown = heapGrowth(results)
  if (grown === undefined) return []
  const [low, high] = grown.interval
  return [
    {
      what: 'growth of the heap, kB a minute',
      found: `${numberText(grown.slope)} (${numberText(low)} to ${numberText(high)})`,
      expected: `≤ ${MOST_GROWTH_KB}`,
      // Beyond what chance may be.
      holds: low <= MOST_GROWTH_KB,
    },
  ]
}

function closing(closedAfterMs: number | undefined): Check {
  return {
    what: 'the server closes',
    found: closedAfterMs === undefined ? 'never' : `after ${numberText(closedAfterMs)} ms`,
    expected: 'within its grace',
    holds: closedAfterMs !== undefined,
  }
}

/** By kind: what came of its streams. */
export function byKind({
  tallies,
  counts: served,
}: SoakResults): { kind: string; tally: Tally; count: Count }[] {
  return [...KINDS, 'kill' as const].flatMap((kind) => {
    const paths = (kind === 'kill' ? [KILL_PATH] : pathsOf(kind)).filter(
      (path) => tallies[path] !== undefined,
    )
    const [first, ...others] = paths
    if (first === undefined) return []
    const tally = { ...(tallies[first] as Tally) }
    const count = structuredClone(served[first] as Count)
    for (const path of others) {
      for (const [name, value] of Object.entries(tallies[path] as Tally)) tally[name as keyof Tally] += value
      const other = served[path] as Count
      count.opened += other.opened
      count.events += other.events
      for (const [reason, value] of Object.entries(other.closed) as [keyof Count['closed'], number][])
        count.closed[reason] = (count.closed[reason] ?? 0) + value
    }
    return [{ kind, tally, count }]
  })
}
