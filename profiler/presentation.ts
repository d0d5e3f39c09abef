/** What a profile has to tell, as a document of blocks: words first, then tables, then what is drawn. */
import { availableParallelism, cpus, release } from 'node:os'
import type { Block, Column, Document, Table, Timeline, Waterfall } from './report/document.ts'
import { numberText } from './report/cells.ts'
import { stoppedBy, type Capacity } from './verdict/capacity.ts'
import type { Comparison } from './verdict/comparison.ts'
import { rateOf, type Judged } from './verdict/condition.ts'
import type { Held } from './load/holding.ts'
import { OUTCOMES, type Load, type Measurement, type Outcome, type Plan, type Summary } from './plan.ts'
import type { ServerView } from './server-view/server-view.ts'
import { LIMITS, validity } from './verdict/validity.ts'

/** A threshold's verdict; `holds` is undefined where the measurement is INVALID, of which nothing is to be concluded. */
export type Threshold = Omit<Judged, 'holds'> & { holds: boolean | undefined }

export interface Profile {
  url: string
  /** Where connections went. */
  address: string
  command: string
  startedAt: string
  plan: Plan
  measurement: Measurement | undefined
  held: Held | undefined
  capacity: Capacity | undefined
  judged: Threshold[]
  compared: ({ command: string } & Comparison) | undefined
  server: ServerView | undefined
  interrupted: boolean
}

const INVALID_OF: Readonly<Record<Exclude<Comparison['invalid'], 'neither'>, string>> = {
  before: 'the run of before is INVALID',
  now: 'the measurement is INVALID',
  both: 'the measurement and the run of before are INVALID',
}

/** Of the shape of `results`. */
const VERSION = 1

const FORMULAS = {
  ttfb: 'TTFB = first byte of the response − intended start',
  ttfe: 'TTFE = first dispatched event − intended start (comments do not count)',
  gap: 'gap = time between two events of a stream, at the client',
  total: 'total = end of the stream − intended start',
  latency: "latency = receipt − the event's stamp (the clocks of two hosts differ)",
} as const

const WORDS: Readonly<Record<Exclude<Outcome, 'good'>, string>> = {
  refused: 'refused: no connection',
  tls: 'TLS handshake failed',
  reset: 'reset: the connection broke',
  timeout: 'timeout: not over in time',
  status: 'status: not 200',
  'not-event-stream': 'not an event stream',
  'content-encoding': 'content-encoding not asked for',
  malformed: 'malformed: not HTTP/1.x',
  truncated: 'truncated: closed before its end',
  'no-event': 'no event: ended without one',
  local: "this machine's limit",
}

export function toDocument(profile: Profile): Document {
  const { url, command, startedAt, measurement, address } = profile
  return {
    tool: 'profile',
    title: `What clients see of ${url}`,
    command,
    startedAt,
    environment: [...machine(), ['server', address]],
    blocks: [{ kind: 'text', heading: 'In words', text: summary(profile) }, ...blocks(profile)],
    ...(measurement === undefined && profile.capacity === undefined
      ? {}
      : {
          results: {
            version: VERSION,
            plan: planFigures(profile.plan),
            measurement,
            judged: profile.judged,
            capacity: profile.capacity,
            server: profile.server,
            held: profile.held,
          },
        }),
  }
}

/** What one has to know to compare a run with another. */
export function machine(): [name: string, value: string][] {
  return [
    ['node', process.version],
    ['system', `${process.platform} ${process.arch} ${release()}`],
    ['CPU', cpus()[0]?.model.trim() ?? 'unknown'],
    ['cores', String(availableParallelism())],
  ]
}

/** Without the request, whose headers may hold a secret. */
function planFigures({ load, end, stamp, slo }: Plan): object {
  return { load, end, stamp, slo }
}

function blocks(profile: Profile): Block[] {
  const { measurement, plan, capacity, server } = profile
  const made: Block[] = []
  if (profile.judged.length > 0) made.push(thresholdTable(profile.judged))
  if (profile.compared !== undefined) made.push(comparisonTable(profile.compared))
  if (capacity !== undefined) made.push(capacityTable(capacity), capacityLines(capacity))
  if (measurement === undefined) return made
  made.push(
    latencyTable(measurement),
    streamTable(measurement, profile),
    validityTable(measurement, plan.load),
    ...charts(measurement, plan.load, server),
  )
  if (server !== undefined && server.threads.length > 0) made.push(threadTable(server))
  if (server !== undefined && server.queueWaits.length > 0) made.push(queueTable(server))
  if (server !== undefined && server.incidents.length > 0) made.push(incidentTable(server))
  return made
}

function summary(profile: Profile): string {
  const { measurement, plan, capacity, judged, compared, server, held } = profile
  const words: string[] = []
  if (profile.interrupted) words.push('Interrupted: this is what there was so far.')
  if (capacity !== undefined) words.push(capacityWords(capacity))
  if (measurement !== undefined && capacity === undefined) words.push(...measurementWords(measurement, plan))
  if (held !== undefined) {
    const lost = held.lost === 0 ? '' : ` ${count(held.lost)} were lost (${held.detail}).`
    const beside = measurement === undefined ? '' : 'Beside them '
    words.push(`${beside}${count(held.open)} streams were held open.${lost}`)
  }
  if (judged.length > 0) words.push(thresholdWords(judged))
  if (compared !== undefined && compared.invalid !== 'neither') {
    words.push(`Nothing is said of what has changed, since ${INVALID_OF[compared.invalid]}.`)
  }
  if (server?.failure !== undefined) words.push(`The server's own view is not complete: ${server.failure}.`)
  if (server !== undefined && server.incidents.length > 0) {
    const worst = server.incidents.toSorted((one, other) => other.forMs - one.forMs)[0]
    words.push(
      `The server's loop was blocked ${times(server.incidents.length)}, at worst for ${ms(worst?.forMs)} while these ran: ${routesOf(worst?.routes ?? [])}.`,
    )
  }
  return words.join('\n')
}

function thresholdWords(judged: readonly Threshold[]): string {
  if (judged.some(({ holds }) => holds === undefined)) {
    return 'No threshold was judged, since the measurement is INVALID.'
  }
  const missed = judged.filter(({ holds }) => holds === false)
  if (missed.length === 0) return 'Every threshold is kept.'
  return `Not kept: ${missed.map(({ text, why }) => (why === '' ? text : `${text} (${why})`)).join('; ')}.`
}

function measurementWords(measurement: Measurement, { load, end }: Plan): string[] {
  const { arrivals, outcomes, ttfb, ttfe } = measurement
  const { failures, remedy } = validity(measurement, load.closed !== undefined)
  const good = outcomes.good ?? 0
  const seconds = numberText(measurement.windowMs / 1_000)
  const by = measurement.generators === 1 ? '' : ` by ${generatorsOf(measurement)}`
  const words = [
    load.closed === undefined
      ? `${numberText(load.rate ?? 0)} streams were begun per second for ${seconds} s${by}: ${count(arrivals)}, of which ${count(good)} were good (${share(good / arrivals)}).`
      : `Closed loop: ${load.closed === 1 ? '1 client' : `${count(load.closed)} clients`}, one stream after another, for ${seconds} s${by}: ${count(arrivals)} streams, of which ${count(good)} were good (${share(good / arrivals)}). Clients that wait for the server do not come while it stalls, so that these times say less than those of an open loop (--rate).`,
  ]
  if (good > 0) {
    const [p, of] =
      ttfb.p99 === undefined ? (['p90', 'one in ten'] as const) : (['p99', 'one in a hundred'] as const)
    words.push(
      `Half of the clients had the first byte within ${ms(ttfb.p50)} and the first event within ${ms(ttfe.p50)}; ${of} waited longer than ${ms(ttfb[p])} for the byte, or ${ms(ttfe[p])} for the event.`,
    )
  }
  const failed = OUTCOMES.filter((outcome) => outcome !== 'good' && (outcomes[outcome] ?? 0) > 0)
  if (failed.length > 0) {
    const classes = failed.map((outcome) => `${count(outcomes[outcome] ?? 0)} ${outcome}`).join(', ')
    words.push(`Failed: ${classes}. They count as slower than every other stream.`)
  }
  if (
    (outcomes.timeout ?? 0) > 0 &&
    measurement.events > 0 &&
    end.events === undefined &&
    end.forMs === undefined
  ) {
    words.push(
      `Streams with events ran into the time limit of ${ms(end.timeoutMs)}: if they do not end by themselves, say when to leave, with --events N or --for 5s.`,
    )
  }
  if (failures.length > 0) {
    words.push(`INVALID: ${failures.join('; ')}. Conclude nothing from it. ${remedy}`.trimEnd())
  }
  return words
}

export function capacityWords(capacity: Capacity): string {
  const { condition, highest, lowestFailing, precision, steps } = capacity
  const last = steps.at(-1)
  if (last === undefined) return 'The first step of the search was not over.'
  const limit = stoppedBy(capacity)
  const remedy = limit === undefined ? '' : validity(last.measurement, false).remedy
  const profiler = limit === undefined ? undefined : `the profiler's own limit came first (${limit})`
  if (highest === undefined) {
    if (profiler !== undefined) {
      return `Whether ${condition} holds at any rate is not known: ${profiler}. Conclude nothing from it. ${remedy}`.trimEnd()
    }
    return `No rate was found at which ${condition} holds: ${last.judged.why === '' ? 'not even the lowest' : last.judged.why}.`
  }
  if (lowestFailing === undefined) {
    return `${condition} holds up to at least ${numberText(highest)} streams per second. Then ${profiler ?? 'the search ended'}. ${remedy}`.trimEnd()
  }
  const between = profiler === undefined ? '' : ` Between them ${profiler}. ${remedy}`.trimEnd()
  return `${condition} holds up to ${numberText(highest)} streams per second, and no longer at ${numberText(lowestFailing)} (wanted within ${share(precision)}).${between}`
}

const right = (title: string, unit?: string): Column => ({
  title,
  align: 'right',
  ...(unit === undefined ? {} : { unit }),
})
const VERDICT: Column = { title: 'verdict' }

function thresholdTable(judged: readonly Threshold[]): Table {
  return {
    kind: 'table',
    title: 'Thresholds',
    columns: [{ title: 'threshold' }, right('measured'), VERDICT],
    rows: judged.map(({ text, actual, holds, why }) => [
      text,
      finite(actual),
      holds === undefined ? 'not judged' : holds ? 'kept' : `missed${why === '' ? '' : `: ${why}`}`,
    ]),
    notes: [
      judged.some(({ holds }) => holds === undefined)
        ? 'The measurement is INVALID: what was measured says nothing of the server.'
        : 'A threshold without enough samples is missed.',
    ],
  }
}

function comparisonTable({ command, lines, invalid }: NonNullable<Profile['compared']>): Table {
  return {
    kind: 'table',
    title: 'Against the run of before',
    columns: [
      { title: 'figure' },
      right('before'),
      right('now'),
      right('now ÷ before'),
      right('95 % interval'),
      VERDICT,
    ],
    rows: lines.map(({ what, unit, before, now, ratio, interval, verdict }) => [
      `${what}, ${unit}`,
      finite(before),
      finite(now),
      finite(ratio),
      interval === undefined ? '' : `${numberText(interval[0])} to ${numberText(interval[1])}`,
      verdict,
    ]),
    notes: [
      `Before: ${command}`,
      ...(invalid === 'neither'
        ? []
        : [`No verdict, since ${INVALID_OF[invalid]}: the difference may be the load generator's.`]),
      'Interval: bootstrap over the tenths of each run. It knows the noise within the runs, and not what else has changed on the machines between them: run either again to see.',
    ],
  }
}

function latencyTable({ ttfb, ttfe, gap, total, latency }: Measurement): Table {
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

function streamTable(measurement: Measurement, { plan }: Profile): Table {
  const { arrivals, scheduled, outcomes, details, statuses, endedByProfiler, unstamped } = measurement
  const good = outcomes.good ?? 0
  const rows: (string | number)[][] = [['good', count(good), share(good / arrivals), '']]
  for (const outcome of OUTCOMES) {
    const number = outcomes[outcome] ?? 0
    if (outcome === 'good' || number === 0) continue
    const said =
      outcome === 'status'
        ? Object.entries(statuses)
            .map(([code, times]) => `${code}: ${times}`)
            .join(', ')
        : details[outcome]
    rows.push([WORDS[outcome], count(number), share(number / arrivals), said ?? ''])
  }
  const slo =
    plan.slo === undefined
      ? 'of good streams, since no --slo was given'
      : `within ${Object.entries(plan.slo)
          .map(([name, limit]) => `${name} ${limit} ms`)
          .join(', ')}`
  rows.push(
    [
      'goodput',
      `${numberText(rateOf('goodput', measurement))}/s`,
      share(measurement.withinSlo / arrivals),
      slo,
    ],
    ['events', `${numberText(rateOf('events', measurement))}/s`, '', `${count(measurement.events)} in all`],
    [
      'bytes of bodies',
      `${numberText(rateOf('bytes', measurement))}/s`,
      '',
      `${count(measurement.bytes)} in all`,
    ],
    [
      'connections',
      count(measurement.connectionsOpened),
      '',
      `opened, warm-up included; ${plan.load.connections}`,
    ],
  )
  const notes = [
    `share = streams ÷ scheduled arrivals that came to their end (${count(arrivals)} of ${count(scheduled)})`,
    'goodput = good streams within the limits ÷ the time in which they were to arrive; events and bytes ÷ the time in which any came',
  ]
  if (endedByProfiler > 0)
    notes.push(`${count(endedByProfiler)} streams were ended by the profiler, as it was told to.`)
  if (unstamped > 0) notes.push(`${count(unstamped)} events had no stamp where --stamp looks for it.`)
  return {
    kind: 'table',
    title: 'Streams',
    columns: [{ title: 'what' }, right('streams'), right('share'), { title: 'detail' }],
    rows,
    notes,
  }
}

const verdict = (holds: boolean): string => (holds ? 'ok' : 'INVALID')

function validityTable(measurement: Measurement, { closed }: Load): Table {
  const { lagP99Ms, utilisation, achieved } = validity(measurement, closed !== undefined)
  const rows: (string | number)[][] = []
  if (closed === undefined) {
    rows.push(
      ['send lag p99', ms(lagP99Ms), `≤ ${LIMITS['lagP99Ms']} ms`, verdict(lagP99Ms <= LIMITS.lagP99Ms)],
      [
        'rate achieved ÷ offered',
        numberText(achieved ?? 0),
        `≥ ${LIMITS['achieved']}`,
        verdict((achieved ?? 0) >= LIMITS.achieved),
      ],
    )
  }
  const { generators } = measurement
  rows.push([
    generators === 1 ? "the generator's loop" : `the busiest loop of ${generatorsOf(measurement)}`,
    numberText(utilisation),
    `< ${LIMITS['utilisation']}`,
    verdict(utilisation < LIMITS.utilisation),
  ])
  return {
    kind: 'table',
    title: 'Whether it counts',
    columns: [{ title: 'of the load generator' }, right('measured'), right('limit'), VERDICT],
    rows,
    notes: [
      `Its loop's utilisation leaves out the ${share(measurement.polling)} of time in which it only polled for the next arrival.`,
    ],
  }
}

/** Those in which there is something to see. */
function charts(measurement: Measurement, load: Load, server: ServerView | undefined): Block[] {
  const made: Block[] = []
  // Streams that have failed have no times.
  if ((measurement.outcomes.good ?? 0) > 0) made.push(percentileCurves(measurement), heatMap(measurement))
  const busy = timeline(measurement, load, server)
  // One point is no line.
  if (busy.series.some(({ points }) => points.length > 1)) made.push(busy)
  if (measurement.sampled.length > 0) made.push(waterfall(measurement))
  return made
}

function generatorsOf({ generators }: Measurement): string {
  return `${generators} generators`
}

function percentileCurves({ ttfb, ttfe, latency }: Measurement): Block {
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

function heatMap({ heat: { secondsPerColumn, rows, counts }, outcomes, arrivals }: Measurement): Block {
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

function timeline(
  { busy, startMs, generators }: Measurement,
  { warmupMs }: Load,
  server: ServerView | undefined,
): Timeline {
  const who = generators === 1 ? 'generator' : 'busiest generator'
  // Seconds of the time that counts.
  const aheadSeconds = server === undefined ? 0 : (startMs + warmupMs - server.startedMs) / 1_000
  const counted = (points: readonly [seconds: number, share: number][]): [number, number][] =>
    points
      .map(([seconds, share]): [number, number] => [seconds - aheadSeconds, share])
      .filter(([seconds]) => seconds >= 0)
  return {
    kind: 'timeline',
    title: server === undefined ? `How busy the ${who} was` : `How busy the server and the ${who} were`,
    series: [
      ...(server?.threads ?? []).map(({ name, points }) => ({ name, points: counted(points) })),
      { name: who, points: busy.filter(([seconds]) => seconds >= 0) },
    ],
    incidents: (server?.incidents ?? [])
      .filter(({ atSeconds }) => atSeconds >= aheadSeconds)
      .map(({ atSeconds, forMs, routes }) => ({
        atSeconds: atSeconds - aheadSeconds,
        forMs,
        label: `blocked: ${routesOf(routes)}`,
      })),
    notes: ["Utilisation of each thread's event loop, by second."],
  }
}

function waterfall({ sampled }: Measurement): Waterfall {
  return {
    kind: 'waterfall',
    title: 'Some streams, from their intended start',
    rows: sampled.map((stream) => {
      const { atMs, lagMs, connectedMs, firstByteMs, firstEventMs, overMs, outcome, eventsMs } = stream
      const phases: { name: string; fromMs: number; untilMs: number }[] = []
      let fromMs = 0
      const add = (name: string, untilMs: number | undefined): void => {
        if (untilMs === undefined || untilMs <= fromMs) return
        phases.push({ name, fromMs, untilMs })
        fromMs = untilMs
      }
      add('late', lagMs)
      add('connect', connectedMs)
      add('first byte', firstByteMs)
      add('first event', firstEventMs)
      add('stream', overMs)
      const failed = outcome === 'good' ? '' : ` ${outcome}`
      return { label: `${(atMs / 1_000).toFixed(2)} s${failed}`, phases, marksMs: eventsMs }
    }),
    notes: ['Spread over the run, with a mark for each event; and the slowest, without marks.'],
  }
}

function threadTable({ threads }: ServerView): Table {
  return {
    kind: 'table',
    title: "How busy the server's threads were",
    columns: [{ title: 'thread' }, right('mean'), right('highest second')],
    rows: threads.map(({ name, points }) => {
      const shares = points.map(([, share]) => share)
      return [name, shares.reduce((sum, share) => sum + share, 0) / shares.length, Math.max(...shares)]
    }),
    notes: ['Utilisation of their event loops, from 0 to 1.'],
  }
}

function queueTable({ queueWaits }: ServerView): Table {
  return {
    kind: 'table',
    title: 'How long streams waited for their producer, on the server',
    columns: [
      { title: 'executor' },
      right('streams'),
      right('p50', 'ms'),
      right('p99', 'ms'),
      right('max', 'ms'),
    ],
    rows: queueWaits.map(({ executor, count: streams, p50Ms, p99Ms, maxMs }) => [
      executor,
      count(streams),
      p50Ms,
      p99Ms,
      maxMs,
    ]),
    notes: [
      'Wait = start of the producer − head sent, of all streams since the profiler began, warm-up included; p50 and p99 within one percent. No p99 from fewer than 1,000 streams.',
    ],
  }
}

const MOST_INCIDENTS = 10

function incidentTable({ incidents }: ServerView): Table {
  const byRoute = new Map<string, { times: number; totalMs: number; longestMs: number }>()
  for (const { forMs, routes } of incidents) {
    const name = routesOf(routes)
    const known = byRoute.get(name) ?? { times: 0, totalMs: 0, longestMs: 0 }
    known.times++
    known.totalMs += forMs
    known.longestMs = Math.max(known.longestMs, forMs)
    byRoute.set(name, known)
  }
  const rows = [...byRoute].toSorted(([, one], [, other]) => other.totalMs - one.totalMs)
  return {
    kind: 'table',
    title: "When the server's loop was blocked",
    columns: [
      { title: 'producers that ran there' },
      right('times'),
      right('longest', 'ms'),
      right('in all', 'ms'),
    ],
    rows: rows
      .slice(0, MOST_INCIDENTS)
      .map(([name, { times: number, longestMs, totalMs }]) => [name, count(number), longestMs, totalMs]),
    notes: ['Several routes in one line: one of them, since all of them had a producer on that thread.'],
  }
}

function capacityTable({ steps, condition }: Capacity): Table {
  return {
    kind: 'table',
    title: `Which rate holds ${condition}?`,
    columns: [right('rate', '1/s'), right('arrivals'), right('measured'), right('errors'), VERDICT],
    rows: steps.map(({ rate, judged, invalid, measurement, holds }) => [
      rate,
      count(measurement.arrivals),
      finite(judged.actual),
      share(rateOf('errors', measurement)),
      invalid.length > 0
        ? `INVALID: ${invalid.join('; ')}`
        : holds
          ? 'kept'
          : `missed${judged.why === '' ? '' : `: ${judged.why}`}`,
    ]),
    notes: [
      'Each rate is tried once, or again where it was INVALID: near the limit a second search may differ by a step.',
    ],
  }
}

function capacityLines({ steps, condition }: Capacity): Block {
  const points = steps
    .filter(({ judged }) => judged.actual !== undefined && Number.isFinite(judged.actual))
    .map(({ rate, judged }) => [rate, judged.actual as number] as const)
    .toSorted(([one], [other]) => one - other)
  return {
    kind: 'lines',
    title: `${condition.replace(/[<>].*/, '')} against the rate`,
    x: { label: 'streams begun', unit: '1/s', logarithmic: true },
    y: { label: condition.replace(/[<>].*/, ''), logarithmic: true },
    series: [{ name: 'measured', points }],
    notes: [],
  }
}

function routesOf(routes: readonly string[]): string {
  return routes.length === 0 ? 'none of headfirst' : routes.join(', ')
}

function finite(value: number | undefined): string | number | undefined {
  if (value === undefined || Number.isNaN(value)) return undefined
  return value === Infinity ? '∞' : value
}

const count = (value: number): string => value.toLocaleString('en')
const times = (value: number): string => (value === 1 ? 'once' : `${count(value)} times`)
const share = (value: number): string => {
  if (Number.isNaN(value)) return '–'
  const percent = value * 100
  return `${percent > 99.9 && percent < 100 ? percent.toFixed(3) : numberText(percent)} %`
}

function ms(value: number | undefined): string {
  if (value === undefined || Number.isNaN(value)) return '–'
  if (value === Infinity) return 'for ever (it failed)'
  return value >= 10_000 ? `${numberText(value / 1_000)} s` : `${numberText(value)} ms`
}
