/**
 * Two executors against each other, in any scenario that runs on all of them (`--compare A,B`).
 *
 * First the one that is compared with runs against itself: whatever differs then is noise. Then the two take turns,
 * A B, B A, …, each time on a fresh server; within a round both face the same clients, in each round others.
 */
import { measureBlockRow, type BlockRow } from '../block-row.ts'
import { measureRateRow, type RateRow } from '../rate-row.ts'
import type { BlockScenario, Contender, RateScenario } from '../scenarios.ts'
import { figure, type Comparison, type Figure, type FigureDefinition, type Side } from './figure.ts'
import { inAlternation, type Bench } from './rounds.ts'

export interface ComparisonPlan {
  /** What is looked at, and what it is compared with. */
  pair: readonly [subject: Contender, baseline: Contender]
  rounds: number
  /** Of each block row; undefined for the other scenarios. */
  arrivals: number
  /** Of a block scenario: what a load of 1.0 is. */
  serviceMs: number
}

/** One number of each round. */
interface Measure<Row> extends Pick<FigureDefinition, 'what' | 'formula'> {
  words: Comparison['words']
  of: (row: Row) => number
}

const TIMES = ['faster', 'slower'] as const
const RATES = ['slower', 'faster'] as const
const COSTS = ['cheaper', 'dearer'] as const

export async function compareBlock(
  bench: Bench,
  scenario: BlockScenario,
  { pair, rounds, arrivals, serviceMs }: ComparisonPlan,
): Promise<Figure[]> {
  const take = async (contender: Contender, round: number): Promise<BlockRow> =>
    measureBlockRow(bench.testbed, {
      scenario,
      contender,
      arrivals,
      serviceMs,
      seed: (bench.seed + round) % 2 ** 32,
    })
  const failures = ({ gate, errors }: BlockRow): string[] => [
    ...gate.failures,
    ...Object.entries(errors).map(([name, count]) => `${count} streams: ${name}`),
  ]
  const tail = arrivals >= 1_000 ? 'p99' : 'p90'
  const tailOf = ({ p90, p99 }: BlockRow['firstByteMs']): number => p99 ?? p90
  return comparePair(bench, scenario.name, { pair, rounds }, take, failures, [
    {
      what: 'TTFB p50, ms',
      formula: 'first byte of the status line − intended start',
      words: TIMES,
      of: (row) => row.firstByteMs.p50,
    },
    {
      what: `TTFB ${tail}, ms`,
      formula: 'first byte of the status line − intended start',
      words: TIMES,
      of: (row) => tailOf(row.firstByteMs),
    },
    {
      what: 'TTFE p50, ms',
      formula: 'first event − intended start',
      words: TIMES,
      of: (row) => row.firstEventMs.p50,
    },
    {
      what: `TTFE ${tail}, ms`,
      formula: 'first event − intended start',
      words: TIMES,
      of: (row) => tailOf(row.firstEventMs),
    },
    {
      what: 'CPU, ms per stream',
      formula: "CPU time of the server's process, all threads ÷ streams",
      words: COSTS,
      of: (row) => row.server.cpuMs / row.arrivals,
    },
  ])
}

export async function compareRate(
  bench: Bench,
  scenario: RateScenario,
  { pair, rounds }: Pick<ComparisonPlan, 'pair' | 'rounds'>,
): Promise<Figure[]> {
  const events = bench.quick ? scenario.quickEvents : scenario.events
  const take = async (contender: Contender): Promise<RateRow> =>
    measureRateRow(bench.testbed, scenario, contender, events)
  return comparePair(bench, scenario.name, { pair, rounds }, take, ({ gate }) => gate.failures, [
    {
      what: 'events/s',
      formula: 'events ÷ (receipt of the last − intended start), the median stream of a round',
      words: RATES,
      of: (row) => row.eventsPerSecond,
    },
    {
      what: 'CPU, s per million events',
      formula: "CPU time of the server's process, all threads ÷ events",
      words: COSTS,
      of: (row) => (row.server.cpuMs * 1_000) / (row.events * row.streams.length),
    },
  ])
}

async function comparePair<Row>(
  bench: Bench,
  scenario: string,
  { pair: [subject, baseline], rounds }: Pick<ComparisonPlan, 'pair' | 'rounds'>,
  take: (contender: Contender, round: number) => Promise<Row>,
  failuresOf: (row: Row) => string[],
  measures: readonly Measure<Row>[],
): Promise<Figure[]> {
  const nameOf = (contender: Contender): string => bench.testbed.nameOf(contender)
  const inPairs = async (first: Contender, second: Contender): Promise<[Rows<Row>, Rows<Row>]> => {
    const rows = await inAlternation(bench, rounds, ['first', 'second'], async (place, round) =>
      take(place === 'first' ? first : second, round),
    )
    return [
      { name: first === second ? `${nameOf(first)} again` : nameOf(first), rows: rows.first },
      { name: nameOf(second), rows: rows.second },
    ]
  }
  const compared = (
    [one, other]: [Rows<Row>, Rows<Row>],
    { what, formula, words, of }: Measure<Row>,
    noise: Figure['interval'],
    same: boolean,
  ): Figure =>
    figure(
      { scenario, what, formula, goal: undefined },
      side(one, of),
      side(other, of),
      [...one.rows, ...other.rows].flatMap(failuresOf),
      { words, noise, same },
    )
  const itself = await inPairs(baseline, baseline)
  const noise = measures.map((measure) => compared(itself, measure, undefined, true))
  const both = await inPairs(subject, baseline)
  return [
    ...noise,
    ...measures.map((measure, index) => compared(both, measure, noise[index]?.interval, false)),
  ]
}

interface Rows<Row> {
  name: string
  rows: readonly Row[]
}

function side<Row>({ name, rows }: Rows<Row>, of: (row: Row) => number): Side {
  return { contender: name, values: rows.map(of) }
}
