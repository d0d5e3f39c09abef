import { accessSync, constants, existsSync, statSync } from 'node:fs'
import { basename, dirname, extname, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { parseArgs } from 'node:util'
import { DEFAULT_SCENARIOS, SCENARIOS, scenariosNamed, type Scenario } from './scenarios.ts'
import type { OwnExecutor } from './testbed.ts'

export const HELP: string = `headfirst's bench: when do clients see their first byte and their first event?

  npm run bench                                   the executors, in less than two minutes
  npm run bench -- --only block-5ms@1.5           one scenario
  npm run bench -- --only way-back,many-streams   what a thread costs, against what it is to replace
  npm run bench -- --executor ./mine.js           your own executor, beside the built-in ones

Options
  --only NAME[,NAME]   only these scenarios. "block-5ms" means all that begin with "block-5ms@".
  --executor FILE      a module whose default export is an executor, or a function that makes one. It runs as
                       one more row of each scenario. (docs/writing-an-executor.md builds one.)
  --full               everything: 1,000 arrivals, and so a p99, in every row of block-5ms, and the scenarios
                       against a baseline: about 15 minutes more.
  --quick              tiny counts, in a few seconds: shows that all works and that the counts agree, no more.
  --seed N             of the arrival times, a whole number from 0. Default 1: each run has the same clients.
  --html FILE          write the report as one file, with all charts: percentiles, load, time. Needs no network.
  --json FILE          write everything, raw samples included (schema: bench/report/schema.json).
  --picture FILE       write one SVG: the first byte by executor, in overload. The README's is made so:
                       npm run bench -- --only block-5ms@1.5 --picture docs/bench.svg
                       These three are also written when interrupted.
  --help               this text.

Scenarios
${SCENARIOS.map(({ name }) => `  ${name}`).join('\n')}

  block-Bms@L          clients arrive at random, L times as many as one thread can serve. Each gets an event,
                       then the producer computes for B ms, then comes another event. "idle" is the same server
                       and the same clients, with producers that do not compute.
  events-per-second    one client takes one stream of 58-byte events as fast as they come. "@event": each event
                       is handed to the kernel at once; "@tick": what one turn of the loop sends leaves together.
  encode               events to text, against a naive template and the encoders of other libraries.
  hand-off             from the call of an executor until the producer runs.

Scenarios against a baseline, in alternating rounds, with --only or --full
  way-back@D-F         one stream of 58-byte events from a thread to a client, D (string, object) as data, F
                       (event, tick) as above: workers against an executor that posts a message per event, and
                       that against a bare loop of messages. Events/s, and CPU of the server's main thread.
  many-streams         1,000 streams on one thread, 15 events/s each: CPU of the main thread, to inline.
  idle-latency         one event each 20 ms: from the producer's stamp to the client, to inline.
  saturated            clients at 1.2 times what all cores can serve, on workers: first byte, to the same server
                       with nothing to compute; and that of a fast inline route beside.
  large, short         64 KiB events; 10,000 streams of one event: workers to inline, which may well win.
  peers                one stream of 58-byte events of JSON, inline with "tick", to @fastify/sse, better-sse,
                       fastify-sse-v2 and Hono, each in its fastest way. Events/s.
  open-close           10,000 streams of one event, to bare node:http: streams per second of the server's thread.
  idle-streams         1,000 to 5,000 open streams that send nothing, to bare node:http: memory of each.

Exit codes
  0 done, 1 crash (with --quick also: a stream has failed), 2 usage, 3 a row is
  INVALID (the load generator was late or busy, or the server did not get its core: stop what else runs
  here), 130 interrupted
`

export interface Arguments {
  help: boolean
  scenarios: readonly Scenario[]
  own: OwnExecutor | undefined
  full: boolean
  quick: boolean
  seed: number
  /** Absolute paths. */
  json: string | undefined
  html: string | undefined
  picture: string | undefined
}

/** What the user has asked for can't be done. */
export class UsageError extends Error {
  override name = 'UsageError'
}

/** @throws UsageError */
export function parseArguments(args: readonly string[]): Arguments {
  const { values } = parsed(args)
  if (values.quick === true && values.full === true)
    throw new UsageError('--quick and --full exclude each other')
  if (values.quick === true && values.picture !== undefined)
    throw new UsageError('--picture needs a run without --quick, which says nothing about speed')
  return {
    help: values.help ?? false,
    scenarios: values.only === undefined ? unnamed(values) : only(values.only),
    own: values.executor === undefined ? undefined : ownExecutor(values.executor),
    full: values.full ?? false,
    quick: values.quick ?? false,
    seed: values.seed === undefined ? 1 : seed(values.seed),
    json: writable('json', values.json),
    html: writable('html', values.html),
    picture: writable('picture', values.picture),
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

const TAKEN = new Set(['inline', 'microtask', 'deferred', 'workers', 'idle'])

function ownExecutor(file: string): OwnExecutor {
  const path = resolve(file)
  if (!existsSync(path) || !statSync(path).isFile())
    throw new UsageError(`--executor: there is no file ${path}`)
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

/** A run of two minutes should not end with the news that its results can't be written. */
function writable(option: string, file: string | undefined): string | undefined {
  if (file === undefined) return undefined
  const path = resolve(file)
  try {
    accessSync(existsSync(path) ? path : dirname(path), constants.W_OK)
  } catch (error) {
    throw new UsageError(`--${option}: can't write ${path}: ${(error as Error).message}`, { cause: error })
  }
  return path
}
