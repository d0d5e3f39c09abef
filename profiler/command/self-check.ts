/**
 * The profiler, measured: `headfirst profile --self-check`. Against a server of known delays it has to report what
 * that server has stamped itself, and it has to see whether a head leaves with the first event or before. Its ceiling
 * is printed too: a limit below it is the server's.
 */
import { Progress } from './progress.ts'
import { rank } from '../samples/percentiles.ts'
import { beside, Remote } from '../load/remote.ts'
import { writeReports, type ReportFiles } from './report-file.ts'
import type { Document } from '../report/document.ts'
import { toHtml } from '../report/html.ts'
import { ofStdout, toTerminal } from '../report/terminal.ts'
import type { ResolvedProfile } from '../options/resolved-profile.ts'
import { targetOf } from '../options/target.ts'
import { parseProfileArguments } from './arguments.ts'
import { toJson } from '../report/readable-json.ts'
import { rateOf } from '../verdict/condition.ts'
import type { Measurement, Summary } from '../plan.ts'
import { machine } from '../sections/machine.ts'
import { count } from '../sections/quantities.ts'
import { DELAYS, FLOOD_EVENTS } from './reference-figures.ts'
import type { ReferenceKind, ReferenceQuestions, Stamps } from './reference-server.ts'
import { Session } from '../load/session.ts'
import { validity } from '../verdict/validity.ts'

const EXIT = { right: 0, wrong: 3 } as const
/** Version of the shape of `results`. */
const VERSION = 1
const RATE = 100
const SECONDS = 12
const STALL_AFTER_MS = 5_000
/**
 * While V8 still compiles the code of both processes, its threads take the cores from them, for some ms at a time. So
 * both do the same thousands of times before it counts.
 */
const WARM_UP = '--closed 64 --duration 3s --warmup 0 --stamp ns:at'.split(' ')
const WITHIN_SHARE = 0.03
const WITHIN_MS = 1
const ASKED_WITHIN_MS = 30_000
/** A head that leaves with its event is seen with it; one that leaves 50 ms before is not. */
const TOGETHER_MS = 5
const APART_MS = 25

interface Check {
  figure: string
  reported: number
  own: number
}

/** @returns the exit code */
export async function selfCheck(files: ReportFiles<'json' | 'html'>): Promise<number> {
  const progress = new Progress(6)
  const against = async (kind: ReferenceKind, options: readonly string[]): Promise<Found> => {
    progress.next(kind)
    return measureReference(kind, options)
  }
  const startedAt = new Date().toISOString()
  const evenly = `--rate ${RATE} --arrivals uniform --warmup 0 --duration ${SECONDS}s --stamp ns:at`
  const delays = await against('delays', evenly.split(' '))
  const few = ['--rate', '20', '--duration', '2s', '--warmup', '500ms']
  const unflushed = await against('unflushed', few)
  const flushed = await against('flushed', few)
  const many = ['--closed', '32', '--duration', '3s', '--warmup', '500ms']
  const connections = await against('instant', many)
  const floods = await against('flood', ['--closed', '2', '--duration', '3s', '--warmup', '500ms'])
  progress.clear()

  const checks = compareStamps(delays)
  const failures = checks.filter((check) => !isRight(check)).map(({ figure }) => `${figure} is off`)
  failures.push(...validity(delays.measurement, false).failures)
  if (apart(unflushed) > TOGETHER_MS || apart(flushed) < APART_MS) {
    failures.push('BROKEN: a head that is held back is not told from one that is flushed')
  }
  const wrongCounts = [delays, unflushed, flushed, connections, floods].filter(
    ({ measurement: { outcomes, arrivals } }) => outcomes.good !== arrivals,
  )
  if (wrongCounts.length > 0) failures.push('streams have failed that had no reason to')
  const document: Document = {
    tool: 'profile',
    title: 'The profiler, measured',
    command: 'headfirst profile --self-check',
    startedAt,
    environment: machine(),
    blocks: [
      {
        kind: 'text',
        heading: 'In words',
        text:
          failures.length === 0
            ? `The profiler reports what the server has stamped itself, within ${WITHIN_SHARE * 100} % or ${WITHIN_MS} ms, a stall of 2 s included, and sees whether a head is flushed.`
            : `Not right on this machine, now: ${failures.join('; ')}. Stop what else runs here, and try again.`,
      },
      {
        kind: 'table',
        title: `Against a server of known delays: ${DELAYS['usualMs']} ms, for 2 % ${DELAYS['rareMs']} ms, and one stall of ${DELAYS['stallMs']} ms`,
        columns: [
          { title: 'figure' },
          { title: 'reported', unit: 'ms', digits: 4 },
          { title: "the server's own", unit: 'ms', digits: 4 },
          { title: 'off by', unit: 'ms' },
          { title: 'verdict' },
        ],
        rows: checks.map((check) => [
          check.figure,
          check.reported,
          check.own,
          check.reported - check.own,
          isRight(check) ? 'ok' : 'off: failed',
        ]),
        notes: [
          `${count(delays.measurement.arrivals)} streams, ${RATE} per second. The server's own: when it handed the head, or the event, to the kernel − intended start.`,
          `Right: within ${WITHIN_SHARE * 100} % or ${WITHIN_MS} ms, whichever is more.`,
        ],
      },
      {
        kind: 'table',
        title: 'Does it see whether a head is flushed? (node:http, first event after 50 ms)',
        columns: [{ title: 'server' }, { title: 'TTFB p50', unit: 'ms' }, { title: 'TTFE p50', unit: 'ms' }],
        rows: [
          ['not flushed', unflushed.measurement.ttfb.p50, unflushed.measurement.ttfe.p50],
          ['flushed', flushed.measurement.ttfb.p50, flushed.measurement.ttfe.p50],
        ],
        notes: [],
      },
      {
        kind: 'table',
        title: 'The ceiling of one generator, with a server of one thread beside it',
        columns: [{ title: 'what' }, { title: 'per second', digits: 3 }, { title: "generator's loop" }],
        rows: [
          [
            'connections, one event each',
            (connections.measurement.arrivals * 1_000) / connections.measurement.windowMs,
            connections.measurement.utilisation,
          ],
          [
            'events, 43 bytes, 2 streams',
            rateOf('events', floods.measurement),
            floods.measurement.utilisation,
          ],
        ],
        notes: [
          'Closed loop, as fast as it goes. Where the loop is far below 1 the server was the limit, and the ceiling is higher.',
          'A measurement counts below 0.7 of its loop: offer no more than about half of this to each generator (--generators N).',
        ],
      },
    ],
    results: { version: VERSION, checks, failures },
  }
  process.stdout.write(toTerminal(document, { ...ofStdout(), width: Infinity }))
  writeReports(files, { json: () => toJson(document), html: () => toHtml(document) }, true)
  return failures.length === 0 ? EXIT.right : EXIT.wrong
}

interface Found {
  measurement: Measurement
  stamps: Stamps[]
}

/** A fresh server, and a fresh generator. */
async function measureReference(kind: ReferenceKind, options: readonly string[]): Promise<Found> {
  const server = new Remote<ReferenceQuestions>(beside(import.meta.url, './reference-server'))
  const session = new Session(1)
  try {
    const port = await server.ask('start', kind, ASKED_WITHIN_MS)
    const measure = async (how: readonly string[]): Promise<Measurement> => {
      const args = parseProfileArguments([`http://127.0.0.1:${port}/`, ...how]).profile as ResolvedProfile
      const { end, load, stamp, slo } = args
      const plan = { target: targetOf(args, '127.0.0.1'), end, load, stamp, slo }
      const measurement = await session.measure(plan)
      if (measurement === undefined) throw new Error('Interrupted before it began')
      return measurement
    }
    if (kind === 'delays') {
      await measure(WARM_UP)
      await server.ask('forget', undefined, ASKED_WITHIN_MS)
      await server.ask('stallAfter', STALL_AFTER_MS, ASKED_WITHIN_MS)
    }
    const measurement = await measure(options)
    if (kind === 'flood') assertFlood(measurement)
    return { measurement, stamps: await server.ask('stamps', undefined, ASKED_WITHIN_MS) }
  } finally {
    await session.end()
    await server.stop()
  }
}

/** What was counted is what was sent. */
function assertFlood({ events, outcomes }: Measurement): void {
  const sent = (outcomes.good ?? 0) * FLOOD_EVENTS
  if (events < sent || (outcomes.good ?? 0) === 0) {
    throw new Error(`The server has sent ${sent} events, and ${events} were counted`)
  }
}

/** Connections are accepted in the order of their arrival, so that the n-th stamp is that of the n-th intended start. */
function compareStamps({ measurement, stamps }: Found): Check[] {
  const { startMs, ttfb, ttfe, gap, arrivals } = measurement
  if (stamps.length !== arrivals) {
    throw new Error(`${arrivals} streams were measured, of ${stamps.length} that the server has had`)
  }
  const intendedMs = (arrival: number): number => startMs + (arrival * 1_000) / RATE
  const own = {
    ttfb: stamps.map(({ headMs }, arrival) => headMs - intendedMs(arrival)),
    ttfe: stamps.map(({ eventsMs }, arrival) => (eventsMs[0] ?? NaN) - intendedMs(arrival)),
    gap: stamps.flatMap(({ eventsMs }) =>
      eventsMs.slice(1).map((atMs, before) => atMs - (eventsMs[before] as number)),
    ),
  }
  return [
    ...figures('TTFB', ttfb, own.ttfb),
    ...figures('TTFE', ttfe, own.ttfe),
    ...figures('gap', gap, own.gap),
  ]
}

function figures(name: string, { p50, p90, p95, p99, max }: Summary, own: readonly number[]): Check[] {
  const sorted = Float64Array.from(own).toSorted()
  const reported = {
    p50: [p50, 0.5],
    p90: [p90, 0.9],
    p95: [p95, 0.95],
    p99: [p99, 0.99],
    max: [max, 1],
  } as const
  return Object.entries(reported).map(([statistic, [value, share]]) => ({
    figure: `${name} ${statistic}`,
    reported: value ?? NaN,
    own: rank(sorted, share),
  }))
}

function isRight({ reported, own }: Check): boolean {
  return Math.abs(reported - own) <= Math.max(WITHIN_MS, own * WITHIN_SHARE)
}

const apart = ({ measurement: { ttfb, ttfe } }: Found): number => ttfe.p50 - ttfb.p50
