/** The times that clients have seen: as a table, as curves by percentile, and as a heat map over time. */
import type { HeatMap, Percentiles, Table } from '../report/document.ts'
import type { Measurement, Summary } from '../plan.ts'
import { right } from './columns.ts'
import { count, finite } from './quantities.ts'

const FORMULAS = {
  ttfb: 'TTFB = first byte of the response − intended start',
  ttfe: 'TTFE = first dispatched event − intended start (comments do not count)',
  gap: 'gap = time between two events of a stream, at the client',
  total: 'total = end of the stream − intended start',
  latency: "latency = receipt − the event's stamp (the clocks of two hosts differ)",
} as const

export function latencyTable({ ttfb, ttfe, gap, total, latency }: Measurement): Table {
  const metrics: (readonly [string, Summary | undefined])[] = [
    ['TTFB', ttfb],
    ['TTFE', ttfe],
    ['gap', gap],
    ['total', total],
    ['latency', latency],
  ]
  const rows = metrics
    .filter((metric): metric is [string, Summary] => metric[1] !== undefined && metric[1].samples > 0)
    .map(([name, { samples, min, p50, p90, p95, p99, p999, max }]) => [
      name,
      count(samples),
      ...[min, p50, p90, p95, p99, p999, max].map(finite),
    ])
  return {
    kind: 'table',
    title: 'Latency',
    columns: [
      { title: 'metric' },
      right('samples'),
      right('min', 'ms'),
      right('p50', 'ms'),
      right('p90', 'ms'),
      right('p95', 'ms'),
      right('p99', 'ms'),
      right('p99.9', 'ms'),
      right('max', 'ms'),
    ],
    rows,
    notes: [
      ...Object.values(latency === undefined ? { ...FORMULAS, latency: '' } : FORMULAS).filter(Boolean),
      'A stream that failed counts as slower than all others: ∞. No p99 from fewer than 1,000 samples, no p99.9 from fewer than 10,000.',
    ],
  }
}

export function percentileCurves({ ttfb, ttfe, latency }: Measurement): Percentiles {
  const series = [
    { name: 'TTFB', points: ttfb.curve },
    { name: 'TTFE', points: ttfe.curve },
    ...(latency === undefined ? [] : [{ name: 'latency', points: latency.curve }]),
  ]
  return {
    kind: 'percentiles',
    title: 'Latency by percentile',
    series: series.map(({ name, points }) => ({
      name,
      points: points.map(([share, value]) => [share * 100, value] as const),
    })),
    notes: [FORMULAS.ttfb, FORMULAS.ttfe],
  }
}

export function heatMap({
  heat: { secondsPerColumn, rows, counts },
  outcomes,
  arrivals,
}: Measurement): HeatMap {
  const used = rows.map((_, row) => counts.some((column) => (column[row] ?? 0) > 0))
  const first = Math.max(0, used.indexOf(true))
  const last = Math.max(first, used.lastIndexOf(true))
  return {
    kind: 'heatmap',
    title: 'TTFB over time',
    x: { label: 'intended start', unit: 's' },
    y: { label: 'TTFB', unit: 'ms', logarithmic: true },
    columns: Array.from({ length: counts.length + 1 }, (_, column) => column * secondsPerColumn),
    rows: rows.slice(first, last + 2),
    counts: counts.map((column) => column.slice(first, last + 1)),
    notes: [
      'The stronger a colour, the more streams; the numbers beside the colours count them.',
      ...(outcomes.good === arrivals
        ? []
        : ['Streams that failed stand in the highest row, at 68 s and more.']),
    ],
  }
}
