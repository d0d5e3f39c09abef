/** The data of a chart as a table: for readers who cannot see the drawing, or need its numbers. */
import { axisName } from './curves.ts'
import { incidentText, numberText } from './cells.ts'
import type { Block, Table, Text } from './document.ts'

export type Chart = Exclude<Block, Text | Table>

const QUOTED = [0, 25, 50, 75, 90, 95, 99, 99.9, 99.99]
/** Of a line with more points, each n-th stands in the table. */
const MOST_ROWS = 100

export function chartData(chart: Chart): Pick<Table, 'columns' | 'rows'> {
  switch (chart.kind) {
    case 'percentiles': {
      const at = (percentile: number) => (series: (typeof chart.series)[number]) =>
        series.points.find(([one]) => one >= percentile - 1e-6)?.[1]
      const rows = QUOTED.map((percentile) => [`${percentile} %`, ...chart.series.map(at(percentile))])
      return {
        columns: [
          { title: 'percentile', align: 'right' },
          ...chart.series.map(({ name }) => ({ title: name, unit: 'ms' })),
        ],
        rows: rows.filter((row) => row.slice(1).some((cell) => cell !== undefined)),
      }
    }
    case 'lines':
      return byX(chart.series, axisName({ ...chart.x, logarithmic: false }), chart.y.unit)
    case 'timeline': {
      const { columns, rows } = byX(chart.series, 'time, s', 'share')
      const incidents = chart.incidents.map((incident) => [
        incident.atSeconds,
        ...chart.series.map(() => undefined),
        incidentText(incident),
      ])
      return {
        columns: [...columns, { title: 'incident' }],
        rows: [...rows, ...incidents].toSorted((one, other) => timeOf(one) - timeOf(other)),
      }
    }
    case 'heatmap':
      return {
        columns: [
          { title: `${axisName({ ...chart.x, logarithmic: false })}, from` },
          ...chart.rows
            .slice(0, -1)
            .map((from) => ({ title: `≥ ${numberText(from)}`, align: 'right' as const })),
        ],
        rows: chart.counts.map((column, index) => [
          chart.columns[index],
          ...column.map((count) => (count === 0 ? undefined : count)),
        ]),
      }
    case 'waterfall':
      return {
        columns: [{ title: 'connection' }, { title: 'phases' }, { title: 'events at' }],
        rows: chart.rows.map(({ label, phases, marksMs }) => [
          label,
          phases
            .map(({ name, fromMs, untilMs }) => `${name} ${numberText(fromMs)} to ${numberText(untilMs)} ms`)
            .join(', '),
          marksMs.map((ms) => `${numberText(ms)} ms`).join(', '),
        ]),
      }
    default:
      return chart satisfies never
  }
}

function timeOf([seconds]: readonly unknown[]): number {
  return Number(seconds)
}

function byX(
  series: readonly { name: string; points: readonly (readonly [number, number])[] }[],
  xTitle: string,
  unit: string | undefined,
): Pick<Table, 'columns' | 'rows'> {
  const values = series.map(({ points }) => new Map(points))
  const xs = [...new Set(series.flatMap(({ points }) => points.map(([x]) => x)))].toSorted((a, b) => a - b)
  const every = Math.ceil(xs.length / MOST_ROWS)
  return {
    columns: [
      { title: xTitle, align: 'right' },
      ...series.map(({ name }) => ({
        title: name,
        ...(unit === undefined ? {} : { unit }),
        align: 'right' as const,
      })),
    ],
    rows: xs
      .filter((_, index) => index % every === 0)
      .map((x) => [numberText(x), ...values.map((points) => points.get(x))]),
  }
}
