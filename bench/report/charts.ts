/** The rows of blocking producers as drawings: by percentile, by load, and over time. */
import { poissonSchedule } from '../../profiler/load/schedule.ts'
import { numberText } from '../../profiler/report/cells.ts'
import type { HeatMap, Lines, Percentiles } from '../../profiler/report/document.ts'
import { percentiles, rank } from '../../profiler/samples/percentiles.ts'
import type { BlockRow } from '../rows/block-row.ts'
import { lindleyWaits } from '../statistics/theory.ts'
import type { Results } from './results.ts'

/** The first colours differ most, and stand for what is compared most. */
const ORDER = ['workers', 'inline', 'idle', 'own', 'microtask', 'deferred']

/** Points of a curve, evenly on its logarithmic axis. */
const CURVE_POINTS = 200
/** As with a p99, of which there is none of fewer than 1,000 samples. */
const FEWEST_BEYOND = 10
const FEWEST_FOR_CURVE = 20
const THEORY_LOAD_STEP = 0.02
const HEAT_COLUMNS = 60
const HEAT_ROWS_PER_DECADE = 8
const FEWEST_FOR_HEAT = 1_000

export function charts(results: Results): (Percentiles | Lines | HeatMap)[] {
  return [...loadLines(results), ...curves(results), ...heatMaps(results)]
}

/** What the clients of a scenario's name go through: `block-5ms`. */
function kindOf(scenario: string): string {
  return scenario.split('@')[0] as string
}

/** Those that are none of ours stand last. */
function placeOf({ contender }: BlockRow): number {
  const index = ORDER.indexOf(contender)
  return index === -1 ? ORDER.length : index
}

function inOrder(rows: readonly BlockRow[]): BlockRow[] {
  return rows.toSorted((one, other) => placeOf(one) - placeOf(other))
}

function groups<Key>(rows: readonly BlockRow[], keyOf: (row: BlockRow) => Key): Map<Key, BlockRow[]> {
  const grouped = new Map<Key, BlockRow[]>()
  for (const row of rows) grouped.set(keyOf(row), [...(grouped.get(keyOf(row)) ?? []), row])
  return grouped
}

function curves({ blocks, seed, quick }: Results): Percentiles[] {
  return [...groups(blocks, ({ scenario }) => scenario)].flatMap(([scenario, rows]) => {
    const drawn = inOrder(rows).filter(({ arrivals }) => arrivals >= FEWEST_FOR_CURVE)
    if (drawn.length === 0) return []
    const expected = drawn.find(({ contender, theory }) => contender === 'inline' && theory !== undefined)
    const measured = drawn.map(({ executor, samples }) => ({
      name: executor,
      points: curve(samples.firstByteMs.map((ms) => ms ?? Infinity)),
    }))
    const theory =
      expected === undefined
        ? []
        : [{ name: `${expected.executor} by theory`, theory: true, points: curve(waits(expected, seed)) }]
    return {
      kind: 'percentiles' as const,
      title: curveTitle(scenario, drawn, quick),
      series: [...measured, ...theory],
      notes: [
        `TTFB = first byte of the status line − intended start. ${scenario}, ${rows.map((row) => `${row.executor} ${row.arrivals.toLocaleString('en')}`).join(', ')} clients; a curve ends where fewer than ${FEWEST_BEYOND} are slower.`,
        ...notBelieved(quick ? [] : drawn),
      ],
    }
  })
}

function notBelieved(rows: readonly BlockRow[]): string[] {
  const invalid = rows.filter(({ gate }) => gate.failures.length > 0)
  return invalid.length === 0
    ? []
    : [`INVALID, and not to be believed: ${invalid.map(({ executor }) => executor).join(', ')}.`]
}

function curveTitle(scenario: string, rows: readonly BlockRow[], quick: boolean): string {
  const load = rows[0]?.load
  const start = `${kindOf(scenario)} at ${load} × what one thread can do:`
  const within = (contender: string): number | undefined =>
    rows.find((row) => row.contender === contender && row.gate.failures.length === 0)?.firstByteMs.p99
  const [onWorkers, inline] = [within('workers'), within('inline')]
  if (quick || onWorkers === undefined || inline === undefined) return `${start} time to the first byte.`
  return `${start} of 100 first bytes, 99 come within ${numberText(onWorkers)} ms on workers and ${numberText(inline)} ms inline.`
}

/** The very arrivals of the row, through a single queue. */
function waits({ theory, arrivals, perSecond }: BlockRow, seed: number): Float64Array {
  if (theory === undefined) return new Float64Array()
  const schedule = poissonSchedule(arrivals, perSecond, seed)
  return lindleyWaits(schedule, theory.serviceMs).map((waitMs) => waitMs + theory.firstByteAloneMs)
}

function curve(samples: ArrayLike<number>): [percentile: number, ms: number][] {
  const sorted = Float64Array.from(samples).toSorted()
  const nines = Math.log10(sorted.length / FEWEST_BEYOND)
  const points: [number, number][] = []
  for (let index = 0; index <= CURVE_POINTS; index++) {
    const fraction = 1 - 10 ** ((-nines * index) / CURVE_POINTS)
    const ms = rank(sorted, fraction)
    if (Number.isFinite(ms)) points.push([rounded(fraction * 100), rounded(ms)])
  }
  return points
}

/** To a microsecond, or to a thousandth of a percent. */
function rounded(value: number): number {
  return Math.round(value * 1_000) / 1_000
}

function loadLines({ blocks, seed, quick }: Results): Lines[] {
  const kinds = [...groups(blocks, ({ scenario }) => kindOf(scenario))]
  return kinds.flatMap(([kind, rows]) => {
    if (new Set(rows.map(({ load }) => load)).size < 2) return []
    const believed = rows.filter(({ gate }) => quick || gate.failures.length === 0)
    return (['p50', 'p99'] as const).flatMap((which) => {
      const byExecutor = [...groups(inOrder(believed), ({ executor }) => executor)]
      const measured = byExecutor.map(([name, ofOne]) => ({
        name,
        points: ofOne
          .map(({ load, firstByteMs }) => [load, rounded(firstByteMs[which] ?? NaN)] as const)
          .filter(([, ms]) => Number.isFinite(ms))
          .toSorted(([one], [other]) => one - other),
      }))
      const series = measured.filter(({ points }) => points.length > 0)
      if (series.every(({ points }) => points.length < 2)) return []
      const inline = believed.filter(({ contender }) => contender === 'inline')
      const expected = theoryByLoad(inline, which, seed)
      const theory = expected.length < 2 ? [] : [{ name: 'inline by theory', theory: true, points: expected }]
      return {
        kind: 'lines' as const,
        title: `${kind}: ${which === 'p50' ? 'half of the clients have' : '99 of 100 clients have'} their first byte within this time, by load.`,
        x: { label: 'load, in times what one thread can do' },
        y: { label: `TTFB ${which}`, unit: 'ms', logarithmic: true },
        series: [...series, ...theory],
        notes: [
          ...(theory.length === 0
            ? []
            : [
                "Dashed: Lindley's recursion, W' = max(0, W + S − A), over the same arrivals at each load; between the loads that were measured, S and the first byte of a client alone lie on a line between theirs.",
              ]),
          `Rows that are INVALID are left out.${which === 'p99' ? ' Rows of fewer than 1,000 clients have no p99.' : ''}`,
        ],
      }
    })
  })
}

function theoryByLoad(
  rows: readonly BlockRow[],
  which: 'p50' | 'p99',
  seed: number,
): [load: number, ms: number][] {
  const known = rows
    .filter((row) => row.theory !== undefined && row.firstByteMs[which] !== undefined)
    .toSorted((one, other) => one.load - other.load)
  return known.flatMap((row, index) => {
    const next = known[index + 1]
    const steps = next === undefined ? 1 : Math.max(1, Math.round((next.load - row.load) / THEORY_LOAD_STEP))
    return Array.from({ length: steps }, (_, step): [number, number] => {
      const between = mixed(row, next ?? row, step / steps)
      return [rounded(between.load), rounded(percentiles(waits(between, seed))[which] ?? NaN)]
    })
  })
}

/** A row that was not measured, between two that were. */
function mixed(one: BlockRow, other: BlockRow, share: number): BlockRow {
  const mix = (a: number, b: number): number => a + (b - a) * share
  if (one.theory === undefined || other.theory === undefined) return one
  return {
    ...one,
    load: mix(one.load, other.load),
    perSecond: mix(one.perSecond, other.perSecond),
    theory: {
      ...one.theory,
      serviceMs: mix(one.theory.serviceMs, other.theory.serviceMs),
      firstByteAloneMs: mix(one.theory.firstByteAloneMs, other.theory.firstByteAloneMs),
    },
  }
}

/** Of the scenarios in overload, where time matters: the queue grows as long as it lasts. */
function heatMaps({ blocks, seed }: Results): HeatMap[] {
  const overloaded = blocks.filter(({ load, arrivals }) => load > 1 && arrivals >= FEWEST_FOR_HEAT)
  return [...groups(overloaded, ({ scenario }) => scenario)].flatMap(([scenario, rows]) => {
    const drawn = inOrder(rows).filter(({ contender }) => contender === 'inline' || contender === 'workers')
    const bounds = decadeBounds(drawn.flatMap(({ samples }) => samples.firstByteMs))
    return drawn.map(({ executor, samples, arrivals, perSecond }): HeatMap => {
      const schedule = poissonSchedule(arrivals, perSecond, seed)
      const lastS = (schedule.at(-1) ?? 1) / 1_000
      const columns = Array.from({ length: HEAT_COLUMNS + 1 }, (_, index) =>
        rounded((lastS * index) / HEAT_COLUMNS),
      )
      const counts = Array.from({ length: HEAT_COLUMNS }, () =>
        Array.from({ length: bounds.length - 1 }, () => 0),
      )
      samples.firstByteMs.forEach((ms, index) => {
        if (ms === null) return
        const at = Math.floor(((schedule[index] as number) / 1_000 / lastS) * HEAT_COLUMNS)
        const column = counts[Math.min(HEAT_COLUMNS - 1, at)] as number[]
        const row = Math.max(
          0,
          bounds.findLastIndex((from) => from <= ms),
        )
        const cell = Math.min(column.length - 1, row)
        column[cell] = (column[cell] as number) + 1
      })
      return {
        kind: 'heatmap',
        title: `${scenario} on ${executor}: the first byte of every client, by when it came.`,
        x: { label: 'intended start', unit: 's' },
        y: { label: 'TTFB', unit: 'ms', logarithmic: true },
        columns,
        rows: bounds,
        counts,
        notes: ['The stronger the colour of a cell, the more clients. Failed streams are left out.'],
      }
    })
  })
}

function decadeBounds(samples: readonly (number | null)[]): number[] {
  const times = samples.filter((ms) => ms !== null && ms > 0) as number[]
  const low = Math.floor(Math.log10(Math.min(...times)) * HEAT_ROWS_PER_DECADE)
  const high = Math.ceil(Math.log10(Math.max(...times)) * HEAT_ROWS_PER_DECADE)
  return Array.from({ length: Math.max(1, high - low) + 1 }, (_, index) =>
    rounded(10 ** ((low + index) / HEAT_ROWS_PER_DECADE)),
  )
}
