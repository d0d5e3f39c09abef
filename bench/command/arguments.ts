import { existsSync, statSync } from 'node:fs'
import { basename, extname, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { parseArgs } from 'node:util'
import { tailOf } from '../../profiler/samples/percentiles.ts'
import { reportFiles } from '../../profiler/command/report-file.ts'
import type { Contender } from '../scenarios/contender.ts'
import { DEFAULT_SCENARIOS, SCENARIOS, scenariosNamed, type Scenario } from '../scenarios/scenarios.ts'
import type { OwnExecutor } from '../testbed/testbed.ts'
import { UsageError } from '../../profiler/usage-error.ts'

export const HELP: string = `headfirst's bench: when do clients see their first byte and their first event?

  npm run bench                                   the executors, in less than two minutes
  npm run bench -- --only block-5ms@1.5           one scenario
  npm run bench -- --only way-back,many-streams   what a thread costs, against what it is to replace
  npm run bench -- --executor ./mine.js           your own executor, beside the built-in ones
  npm run bench -- --producer ./mine.js           your own producer, on every executor
  npm run bench -- --compare workers,inline --only block-5ms@1.5 --rounds 12
                                                  is there a difference, and how sure is that?

Options
  --only NAME[,NAME]   only these scenarios. "block-5ms" means all that begin with "block-5ms@".
  --executor FILE      a module whose default export is an executor, or a function that makes one. It runs as
                       one more row of each scenario. (docs/writing-an-executor.md builds one.)
  --producer FILE      a module that exports one portable producer, as its default or as the only one. How long a
                       stream takes of one thread is measured first; then clients come at 0.5, 0.8 and 1.2 times
                       what one thread can serve, on each executor. It is called without input, and its streams
                       have to end by themselves. In place of all scenarios.
  --compare A,B        two executors (inline, microtask, deferred, workers, idle, own) in rounds A B, B A, …, with the
                       same clients in both halves of a round: the median of the rounds' ratios A ÷ B, with its
                       interval of 95 % (bootstrap), in words. First B runs against itself: what differs then is
                       noise. Of block-5ms@1.5, or what --only or --producer names, one with executors; 200
                       arrivals each, with --full all, and a p99.
  --rounds N           of --compare, and of the scenarios against a baseline, from 1 to 1000. Default of --compare:
                       10. Of fewer than six no interval is given.
  --full               everything: 1,000 arrivals, and so a p99, in every row of block-5ms, and the scenarios
                       against a baseline: three quarters of an hour.
  --quick              tiny counts, in a few seconds: shows that all works and that the counts agree, no more.
  --generators N       processes that make the load, from 1 to 64; together they make the same as one. Default 1,
                       which is enough for two cores. More where rows are INVALID because the generator was busy,
                       and the machine has cores for them.
  --seed N             of the arrival times, a whole number from 0. Default 1: each run has the same clients.
  --html FILE          write the report as one file, with all charts: percentiles, load, time. Needs no network.
  --json FILE          write everything, raw samples included (schema: profiler/report/schema.json).
  --picture FILE       write one SVG: the first byte by executor, in overload. The README's is made so:
                       npm run bench -- --only block-5ms@1.5 --picture docs/bench.svg
                       These three are also written when interrupted.
  --help               this text.

Scenarios
${SCENARIOS.map(({ name }) => `  ${name}`).join('\n')}

  block-Bms@L          clients arrive at random, L times as many as one thread can serve. Each gets an event,
                       then the producer computes for B ms, then comes another event. "idle" is the same server
                       and the same clients, with producers that do not compute.
  sleep-, async-       the same with producers that sleep in place (Atomics.wait), and that wait for a timer: there
                       no executor should win. With --only or --full, as are most loads of block-.
  events-per-second    one client takes one stream of 58-byte events as fast as they come. "@event": each event
                       is handed to the kernel at once; "@tick": what one turn of the loop sends leaves together.
  flush                block-5ms at 0.5 on bare node:http, with its head flushed ("node:http") and not: a run that
                       does not see the difference calls itself broken.
  baselines            the same on more servers: the other libraries, and headfirst. With --only or --full.
  encode               events to text, against a naive template and the encoders of other libraries.
  hand-off             from the call of an executor until the producer runs.

Scenarios against a baseline, in alternating rounds, with --only or --full
  way-back@D-F         one stream of 58-byte events from a thread to a client, D (string, object) as data, F
                       (event, tick) as above: workers against an executor that posts a message per event, and
                       that against a bare loop of messages. Events/s, and CPU of the server's main thread.
  many-streams         1,000 streams on one thread, 15 events/s each: CPU of the main thread, to inline.
  tokens               100 streams of 200 events, 50/s each: the same.
  burst-10000          one stream of 10,000 events, workers to inline, which may well win.
  idle-latency         one event each 20 ms: from the producer's stamp to the client, to inline.
  saturated            clients at 1.2 times what all cores can serve, on workers: first byte, to the same server
                       with nothing to compute; and that of a fast inline route beside.
  large, short         64 KiB events; 10,000 streams of one event: workers to inline, which may well win.
  peers                one stream of 58-byte events of JSON, inline with "tick", to @fastify/sse, better-sse,
                       fastify-sse-v2 and Hono, each in its fastest way. Events/s.
  open-close           10,000 streams of one event, to bare node:http: streams per second of the server's thread.
  idle-streams         1,000 to 5,000 open streams that send nothing, to bare node:http: memory of each.
  held                 10,000 open streams with an event a second each, then more until something bends, inline and on
                       workers; new clients beside them. With --only or --full.
  isolation            a fast inline route beside a slow one, on each executor: first byte, to the same alone.
  tls                  5,000 events/s on 200 streams, and streams of one event: CPU of the main thread, behind TLS
                       to without.
  compression@L        gzip, br, and zstd where Node has it, to no coding, inline and on workers. L is how events
                       come: "rhythm", 5,000/s on 200 streams; "json", "html", one stream as fast as they come,
                       of 58 bytes and of 2 KiB. CPU of the main thread and of the others, bytes on the wire.

Exit codes
  0 done, 1 crash (with --quick also: a stream has failed), 2 usage, 3 a row is
  INVALID (the load generator was late or busy, or the server did not get its core: stop what else runs
  here), 130 interrupted
`

export interface Arguments {
  help: boolean
  scenarios: readonly Scenario[]
  own: OwnExecutor | undefined
  producer: OwnExecutor | undefined
  /** Two executors, the first to be looked at beside the second. */
  compare: readonly [subject: Contender, baseline: Contender] | undefined
  rounds: number | undefined
  full: boolean
  quick: boolean
  seed: number
  /** Processes that make the load. */
  generators: number
  /** Absolute paths. */
  json: string | undefined
  html: string | undefined
  picture: string | undefined
}

/** @throws UsageError */
export function parseArguments(args: readonly string[]): Arguments {
  const { values } = parsed(args)
  if (values.quick === true && values.full === true)
    throw new UsageError('--quick and --full exclude each other')
  if (values.quick === true && values.picture !== undefined)
    throw new UsageError('--picture needs a run without --quick, which says nothing about speed')
  if (values.producer !== undefined && values.only !== undefined)
    throw new UsageError('--producer and --only exclude each other: a producer is a scenario of its own')
  const own = values.executor === undefined ? undefined : ownModule('executor', values.executor)
  const compare = values.compare === undefined ? undefined : comparison(values.compare, own)
  const scenarios = values.only === undefined ? unnamed(values) : only(values.only)
  if (values.rounds !== undefined && compare === undefined && !scenarios.some((one) => 'rounds' in one))
    throw new UsageError('--rounds: nothing that is to run has rounds. Add --compare A,B')
  if (values.picture !== undefined) checkPicture(values, scenarios)
  return {
    help: values.help ?? false,
    scenarios: compare === undefined ? scenarios : comparable(values.only),
    own,
    producer: values.producer === undefined ? undefined : ownModule('producer', values.producer),
    compare,
    rounds: values.rounds === undefined ? undefined : whole('rounds', values.rounds, MOST_ROUNDS),
    generators: values.generators === undefined ? 1 : whole('generators', values.generators, MOST_GENERATORS),
    full: values.full ?? false,
    quick: values.quick ?? false,
    seed: values.seed === undefined ? 1 : seed(values.seed),
    ...reportFiles({ json: values.json, html: values.html, picture: values.picture }),
  }
}

// The type is what `parseArgs` infers from the options.
// eslint-disable-next-line typescript/explicit-function-return-type
function parsed(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      options: {
        help: { type: 'boolean', short: 'h' },
        only: { type: 'string' },
        executor: { type: 'string' },
        producer: { type: 'string' },
        compare: { type: 'string' },
        rounds: { type: 'string' },
        generators: { type: 'string' },
        full: { type: 'boolean' },
        quick: { type: 'boolean' },
        seed: { type: 'string' },
        json: { type: 'string' },
        html: { type: 'string' },
        picture: { type: 'string' },
      },
    })
  } catch (error) {
    throw new UsageError((error as Error).message, { cause: error })
  }
}

/** What runs where no scenario is named. */
function unnamed({ quick, full }: { quick?: boolean; full?: boolean }): readonly Scenario[] {
  return quick === true || full === true ? SCENARIOS : DEFAULT_SCENARIOS
}

function only(names: string): Scenario[] {
  const chosen = new Set<Scenario>()
  for (const name of names.split(',')) {
    const found = scenariosNamed(name.trim())
    if (found === undefined) {
      const known = SCENARIOS.map((scenario) => scenario.name).join(', ')
      throw new UsageError(`--only: there is no scenario "${name.trim()}". There are: ${known}`)
    }
    for (const scenario of found) chosen.add(scenario)
  }
  return SCENARIOS.filter((scenario) => chosen.has(scenario))
}

const isDrawn = (one: Scenario): boolean =>
  one.kind === 'block' && one.load > 1 && tailOf(Math.max(...Object.values(one.arrivals))).name === 'p99'

/** What nothing could be drawn of is known before it runs. Of a producer's own streams it is not. */
function checkPicture(
  { compare, producer }: { compare?: string; producer?: string },
  scenarios: readonly Scenario[],
): void {
  if (compare !== undefined)
    throw new UsageError('--picture and --compare exclude each other: a comparison has no rows to draw')
  if (producer === undefined && !scenarios.some(isDrawn))
    throw new UsageError(
      '--picture needs a scenario in overload with 1,000 clients: add --only block-5ms@1.5, or leave --only out',
    )
}

const TAKEN = new Set(['inline', 'microtask', 'deferred', 'workers', 'idle'])

/** What two executors are compared in: the one scenario that says most, unless others are named. */
function comparable(names: string | undefined): readonly Scenario[] {
  const chosen = only(names ?? 'block-5ms@1.5')
  for (const { kind, name } of chosen) {
    if (kind === 'block' || kind === 'rate') continue
    throw new UsageError(
      `--compare: "${name}" has no executors to choose from. Take ${SCENARIOS.filter(
        (one) => one.kind === 'block' || one.kind === 'rate',
      )
        .map((one) => one.name)
        .join(', ')}`,
    )
  }
  return chosen
}

function comparison(names: string, own: OwnExecutor | undefined): [subject: Contender, baseline: Contender] {
  const pair = names.split(',').map((name) => name.trim())
  if (pair.length !== 2) {
    throw new UsageError(`--compare: expected two executors with a comma between them, got "${names}"`)
  }
  const [subject, baseline] = pair.map((name): Contender => {
    if (name === 'own' || name === own?.name) {
      if (own === undefined) throw new UsageError('--compare: "own" needs --executor FILE')
      return 'own'
    }
    if (TAKEN.has(name)) return name as Contender
    throw new UsageError(
      `--compare: there is no executor "${name}". There are: ${[...TAKEN].join(', ')}, own`,
    )
  }) as [Contender, Contender]
  if (subject === baseline) {
    throw new UsageError('--compare: expected two different executors. The second runs against itself anyway')
  }
  return [subject, baseline]
}

const MOST_ROUNDS = 1_000
const MOST_GENERATORS = 64

function whole(option: string, text: string, most: number): number {
  const number = Number(text)
  if (!/^\d+$/.test(text) || number < 1 || number > most) {
    throw new UsageError(`--${option}: expected a whole number from 1 to ${most}, got "${text}"`)
  }
  return number
}

function ownModule(option: 'executor' | 'producer', file: string): OwnExecutor {
  const path = resolve(file)
  if (!existsSync(path) || !statSync(path).isFile())
    throw new UsageError(`--${option}: there is no file ${path}`)
  const name = basename(path, extname(path))
  return { name: TAKEN.has(name) ? `own ${name}` : name, url: pathToFileURL(path).href }
}

function seed(text: string): number {
  const number = Number(text)
  if (!/^\d+$/.test(text) || number >= 2 ** 32) {
    throw new UsageError(`--seed: expected a whole number from 0 to 4294967295, got "${text}"`)
  }
  return number
}
