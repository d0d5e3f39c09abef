/** What a soak has found as a document of blocks, which the terminal, the HTML file and the JSON file show. */
import { numberText } from '../../profiler/report/cells.ts'
import type { Block, Column, Document, Lines, Table, Text } from '../../profiler/report/document.ts'
import { median, percentiles } from '../../profiler/samples/percentiles.ts'
import { machine, quoted } from '../report/document.ts'
import { byKind, checks, heapGrowth, MOST_GROWTH_KB, WARM_UP_SHARE } from './checks.ts'
import type { Sample, SoakResults } from './results.ts'

/** Of the shape of the raw results in the JSON file. */
const VERSION = 1
const MOST_LAG_P99_MS = 5

const left = (title: string): Column => ({ title, align: 'left' })
const right = (title: string, unit?: string): Column => ({
  title,
  align: 'right',
  ...(unit === undefined ? {} : { unit }),
})

/** @param args of the command line */
export function soakDocument(results: SoakResults, args: readonly string[]): Document {
  const { samples, tallies } = results
  return {
    tool: 'soak',
    title: 'headfirst soak: does a server under mixed load lose, leak or slow down?',
    command: ['npm run soak', ...(args.length === 0 ? [] : ['--', ...args.map(quoted)])].join(' '),
    startedAt: results.startedAt,
    environment: [...machine(results.environment), ['seed', String(results.seed)]],
    blocks: [
      summary(results),
      ...(samples.length === 0 ? [] : [sampleTable(results), ...charts(results)]),
      ...(Object.keys(tallies).length === 0 ? [] : [kindTable(results)]),
      ...(results.after === undefined ? [] : [checkTable(results)]),
    ],
    results: { version: VERSION, ...results, checks: checks(results) },
  }
}

function summary(results: SoakResults): Text {
  const { samples, tallies, firstByteMs, killsMs, quick, interrupted } = results
  const found = checks(results)
  const failed = found.filter(({ holds }) => !holds)
  const streams = Object.values(tallies).reduce((total, tally) => total + tally.streams, 0)
  const events = Object.values(tallies).reduce((total, tally) => total + tally.events, 0)
  const lines: string[] = []
  if (interrupted) lines.push('Interrupted: what follows is partial, and nothing was checked.')
  if (streams > 0) {
    lines.push(
      `${numberText(streams)} clients came in ${minutes(samples)}, and had ${numberText(events)} events. A thread was killed ${killsMs.length === 1 ? 'once' : `${killsMs.length} times`}.`,
    )
  }
  if (!quick && firstByteMs.length > 0) {
    const { p50, p99 } = percentiles(firstByteMs)
    const [first, last] = [samples[0], samples.at(-1)] as [Sample, Sample]
    lines.push(
      [
        `Half of the probes had their first byte within ${numberText(p50)} ms${p99 === undefined ? '' : `, 99 of 100 within ${numberText(p99)} ms`}.`,
        `The heap was ${megabytes(first.heapBytes)} at first and ${megabytes(last.heapBytes)} in the end, resident memory ${megabytes(first.rssBytes)} and ${megabytes(last.rssBytes)}.`,
        ...growthWords(results),
      ].join(' '),
    )
  }
  if (found.length > 0) {
    lines.push(
      failed.length === 0
        ? `All ${found.length} checks hold.`
        : `FAILED: ${failed.map(({ what, found: was, expected }) => `${what}: ${was}, expected ${expected}`).join('; ')}.`,
    )
  }
  return { kind: 'text', heading: 'In short', text: lines.join('\n') }
}

function growthWords(results: SoakResults): string[] {
  const growth = heapGrowth(results)
  if (growth === undefined) return []
  const [low, high] = growth.interval
  const about = `${numberText(growth.slope)} kB a minute (95 %: ${numberText(low)} to ${numberText(high)})`
  return [
    low <= 0
      ? `After the warm-up it does not grow: ${about}.`
      : low <= MOST_GROWTH_KB
        ? `After the warm-up its slope is ${about}, less than the least leak that each stream could have.`
        : `After the warm-up it grows: ${about}.`,
  ]
}

function minutes(samples: readonly Sample[]): string {
  const seconds = samples.at(-1)?.atSeconds ?? 0
  return seconds < 100 ? `${Math.round(seconds)} s` : `${numberText(seconds / 60)} min`
}

function megabytes(bytes: number): string {
  return `${numberText(bytes / 1e6)} MB`
}

/** What each sample has measured. */
const WATCHED: readonly { name: string; unit?: string; of: (sample: Sample) => number }[] = [
  { name: 'heap', unit: 'MB', of: ({ heapBytes }) => heapBytes / 1e6 },
  { name: 'resident memory', unit: 'MB', of: ({ rssBytes }) => rssBytes / 1e6 },
  { name: 'outside of the heap', unit: 'MB', of: ({ externalBytes }) => externalBytes / 1e6 },
  { name: 'file descriptors', of: ({ files }) => files ?? NaN },
  { name: 'open streams', of: ({ open }) => open },
  { name: "the loop's utilisation", of: ({ utilisation }) => utilisation },
  { name: 'TTFB p50', unit: 'ms', of: ({ ttfbP50Ms }) => ttfbP50Ms },
  { name: 'TTFB p99', unit: 'ms', of: ({ ttfbP99Ms }) => ttfbP99Ms },
  { name: 'refused so far', of: ({ refused }) => refused },
  { name: 'lost so far', of: ({ lost }) => lost },
]

function sampleTable({ samples, lagMs }: SoakResults): Table {
  const lag = percentiles(lagMs)
  const lagP99Ms = lag.p99 ?? lag.p90
  return {
    kind: 'table',
    title: 'What the server held, and how soon probes had their first byte',
    columns: [
      left('what'),
      right('at first'),
      right('least'),
      right('median'),
      right('most'),
      right('in the end'),
    ],
    rows: WATCHED.map(({ name, unit, of }) => {
      const values = samples.map(of).filter(Number.isFinite)
      const shown =
        values.length === 0
          ? []
          : [values[0], Math.min(...values), median(values), Math.max(...values), values.at(-1)]
      return [unit === undefined ? name : `${name}, ${unit}`, ...shown]
    }),
    notes: [
      `${samples.length} samples. The heap is that of the server's thread, looked at after garbage collection, which each sample pays for with some ms in which the thread does nothing else.`,
      'TTFB = first byte of the status line − intended start of a client of an inline route, in an open loop of 20 a second; p50 and p99 of the probes since the sample before.',
      `Probes were sent late by ${numberText(lagP99Ms)} ms at most, for ${lag.p99 === undefined ? 9 : 99} of ${lag.p99 === undefined ? 10 : 100}${lagP99Ms > MOST_LAG_P99_MS ? ': the load generator was busy, and their times say more of it than of the server' : ''}. That counts against the server.`,
    ],
  }
}

function charts({ samples, killsMs }: SoakResults): Block[] {
  const over = (
    title: string,
    label: string,
    series: readonly { name: string; unit?: string; of: (sample: Sample) => number }[],
    unit?: string,
  ): Lines => ({
    kind: 'lines',
    title,
    x: { label: 'time', unit: 's' },
    y: { label, ...(unit === undefined ? {} : { unit }) },
    series: series.map(({ name, of }) => ({
      name,
      points: samples
        .map((sample) => [rounded(sample.atSeconds), rounded(of(sample))] as const)
        .filter(([, value]) => Number.isFinite(value)),
    })),
    notes: [],
  })
  return [
    over('The heap, after garbage collection.', 'heap', WATCHED.slice(0, 1), 'MB'),
    over('Resident memory, and what is held outside of the heap.', 'memory', WATCHED.slice(1, 3), 'MB'),
    over('Open streams, and file descriptors.', 'number', WATCHED.slice(3, 5)),
    over('Clients refused and streams lost, so far.', 'number', WATCHED.slice(8)),
    over('The first byte of the probes since the sample before.', 'TTFB', WATCHED.slice(6, 8), 'ms'),
    {
      kind: 'timeline',
      title: 'How busy the server and the load generator were, and when a thread was killed.',
      series: [
        { name: 'server', points: shares(samples, ({ utilisation }) => utilisation) },
        { name: 'generator', points: shares(samples, (sample) => sample.generatorUtilisation) },
      ],
      incidents: killsMs.map((ms) => ({ atSeconds: rounded(ms / 1_000), forMs: 0, label: 'killed' })),
      notes: ["Utilisation of the event loop of each one's main thread, since the sample before."],
    },
  ]
}

function shares(samples: readonly Sample[], of: (sample: Sample) => number): [number, number][] {
  return samples.map((sample) => [rounded(sample.atSeconds), rounded(Math.min(1, of(sample)))])
}

function rounded(value: number): number {
  return Math.round(value * 1_000) / 1_000
}

function kindTable(results: SoakResults): Table {
  return {
    kind: 'table',
    title: 'Who came, and what came of them',
    columns: [
      left('kind'),
      ...['clients', 'to the end', 'left', 'refused', 'broken', 'wrong', 'events'].map((title) =>
        right(title),
      ),
      left('as the server closed them'),
    ],
    rows: byKind(results).map(({ kind, tally, count }) => [
      kind,
      tally.streams,
      tally.good,
      tally.left,
      tally.refused,
      tally.broken,
      tally.failed,
      tally.events,
      Object.entries(count.closed)
        .map(([reason, times]) => `${reason} ${numberText(times)}`)
        .join(', '),
    ]),
    notes: [
      'probe: one event; short: 50 events at once, half of the clients with gzip or br; long: an event each 250 ms; slow: some MB for clients that take their time; deaf: as much as there is for clients that do not read. These, and leave, are on every executor.',
      'leave: clients that go in the middle, half of them with a reset; narrow: a pool of one thread that takes one stream and lets one wait; mortal: streams on a thread that kill kills; news: clients that follow a history, go, and come back with the id of their last event.',
    ],
  }
}

function checkTable(results: SoakResults): Table {
  return {
    kind: 'table',
    title: 'What has to hold',
    columns: [left('what'), right('found'), right('expected'), left('verdict')],
    rows: checks(results).map(({ what, found, expected, holds }) => [
      what,
      found,
      expected,
      holds ? 'ok' : 'failed',
    ]),
    notes: [
      `The growth of the heap is the slope of the line of least squares through the samples after the first ${WARM_UP_SHARE * 100} %, with its interval of 95 %; ${MOST_GROWTH_KB} kB a minute are a hundred bytes for each stream.`,
    ],
  }
}
