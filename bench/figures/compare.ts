/**
 * Two executors against each other, in any scenario that runs on all of them (`--compare A,B`).
 *
 * First the one that is compared with runs against itself: whatever differs then is noise. Then the two take turns,
 * A B, B A, …, each time on a fresh server; within a round both face the same clients, in each round others. Rounds of
 * which one half fails the validity gate are left out on both sides, and counted; the gate does not depend on who won.
 */
import { tailOf, type Percentiles } from '../../profiler/samples/percentiles.ts'
import { measureBlockRow, type BlockRow } from '../rows/block-row.ts'
import type { Gate } from '../rows/gate.ts'
import { measureRateRow, type RateRow } from '../rows/rate-row.ts'
import type { BlockScenario } from '../scenarios/block.ts'
import type { Contender } from '../scenarios/contender.ts'
import type { RateScenario } from '../scenarios/rate.ts'
import { FEWEST_ROUNDS } from '../statistics/statistics.ts'
import { figure, type Comparison, type Figure, type FigureDefinition } from './figure.ts'
import { inAlternation, type Bench } from './rounds.ts'

export interface ComparisonPlan {
  /** What is judged, and what it is compared with. */
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
  const tail = tailOf(arrivals).name
  return comparePair(bench, scenario.name, { pair, rounds }, take, streamErrors, [
    ...times('TTFB', 'first byte of the status line', tail, (row) => row.firstByteMs),
    ...times('TTFE', 'first event', tail, (row) => row.firstEventMs),
    {
      what: 'CPU, ms per stream',
      formula: "CPU time of the server's process, all threads ÷ streams",
      words: COSTS,
      of: (row) => row.server.cpuMs / row.arrivals,
    },
  ])
}

/** The median of a time and its tail. */
function times(
  name: string,
  what: string,
  tail: string,
  of: (row: BlockRow) => Percentiles,
): Measure<BlockRow>[] {
  const measure = (rank: string, ms: (row: BlockRow) => number): Measure<BlockRow> => ({
    what: `${name} ${rank}, ms`,
    formula: `${what} − intended start`,
    words: TIMES,
    of: ms,
  })
  return [measure('p50', (row) => of(row).p50), measure(tail, (row) => slowest(of(row)))]
}

/** A failed stream is slower than all, and of such a row no ratio means anything. */
function streamErrors({ errors }: BlockRow): string[] {
  return Object.entries(errors).map(([name, count]) => `${count} streams: ${name}`)
}

function slowest({ p90, p99 }: Percentiles): number {
  return p99 ?? p90
}

export async function compareRate(
  bench: Bench,
  scenario: RateScenario,
  { pair, rounds }: Pick<ComparisonPlan, 'pair' | 'rounds'>,
): Promise<Figure[]> {
  const events = bench.quick ? scenario.quickEvents : scenario.events
  const take = async (contender: Contender): Promise<RateRow> =>
    measureRateRow(bench.testbed, scenario, contender, events)
  return comparePair(bench, scenario.name, { pair, rounds }, take, () => [], [
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

async function comparePair<Row extends { gate: Gate }>(
  bench: Bench,
  scenario: string,
  { pair: [subject, baseline], rounds }: Pick<ComparisonPlan, 'pair' | 'rounds'>,
  take: (contender: Contender, round: number) => Promise<Row>,
  failuresOf: (row: Row) => string[],
  measures: readonly Measure<Row>[],
): Promise<Figure[]> {
  const { quick, testbed } = bench
  const against = async (one: Contender, other: Contender): Promise<Pairs<Row>> => {
    const { first, second } = await inAlternation(bench, rounds, ['first', 'second'], async (place, round) =>
      take(place === 'first' ? one : other, round),
    )
    const name = testbed.nameOf(one)
    return {
      names: [one === other ? `${name} again` : name, testbed.nameOf(other)],
      ...valid(first, second, quick),
    }
  }
  const compared = (
    { names: [one, other], first, second, notes, failures }: Pairs<Row>,
    { what, formula, words, of }: Measure<Row>,
    noise: Figure['interval'],
    same: boolean,
  ): Figure =>
    figure(
      { scenario, what, formula: `${formula}${notes}`, goal: undefined },
      { contender: one, values: first.map(of) },
      { contender: other, values: second.map(of) },
      [...failures, ...[...first, ...second].flatMap(failuresOf)],
      { words, noise, same },
    )
  const itself = await against(baseline, baseline)
  const noise = measures.map((measure) => compared(itself, measure, undefined, true))
  const both = await against(subject, baseline)
  return [
    ...noise,
    ...measures.map((measure, index) => compared(both, measure, noise[index]?.interval, false)),
  ]
}

interface Rounds<Row> {
  first: readonly Row[]
  second: readonly Row[]
  /** How many are missing, for the formula; and why the others do not count either. */
  notes: string
  failures: string[]
}

interface Pairs<Row> extends Rounds<Row> {
  names: [first: string, second: string]
}

/** The rounds of which both halves are valid. In a quick run nothing is judged. */
function valid<Row extends { gate: Gate }>(
  first: readonly Row[],
  second: readonly Row[],
  quick: boolean,
): Rounds<Row> {
  const reasons = first.map((row, round) => [...row.gate.failures, ...(second[round]?.gate.failures ?? [])])
  const isValid = (_: Row, round: number): boolean => quick || reasons[round]?.length === 0
  const kept = first.filter(isValid)
  const lost = first.length - kept.length
  const [reason] = reasons.flat()
  return {
    first: kept,
    second: second.filter(isValid),
    notes:
      lost === 0 ? '' : `; ${lost} of ${first.length} rounds were not valid (${reason}) and are left out`,
    failures:
      lost > 0 && kept.length < FEWEST_ROUNDS
        ? [`${kept.length} of ${first.length} rounds valid: ${reason}`]
        : [],
  }
}
