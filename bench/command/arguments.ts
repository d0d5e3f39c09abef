/**
 * The bench as a command: here what it is asked for, in `help.ts` what there is to ask for, and in `run.ts` what it then
 * does. What it has in common with the soak's command is in `measuring-command.ts`.
 */
import { existsSync, statSync } from 'node:fs'
import { basename, extname, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { numberWithin, parsedArguments, SEEDS, type Range } from '../../profiler/command/parsed-arguments.ts'
import { reportFiles } from '../../profiler/command/report-file.ts'
import { tailOf } from '../../profiler/samples/percentiles.ts'
import { UsageError } from '../../profiler/usage-error.ts'
import type { Contender } from '../scenarios/contender.ts'
import { DEFAULT_SCENARIOS, SCENARIOS, scenariosNamed, type Scenario } from '../scenarios/scenarios.ts'
import type { OwnExecutor } from '../servers/own-executor.ts'

export interface Arguments {
  help: boolean
  scenarios: readonly Scenario[]
  own: OwnExecutor | undefined
  producer: OwnExecutor | undefined
  /** Two executors, the first to be compared with the second. */
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

const ROUNDS: Range = { least: 1, most: 1_000, whole: true }
const GENERATORS: Range = { least: 1, most: 64, whole: true }

const OPTIONS = {
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
} as const

/** @throws UsageError */
export function parseArguments(args: readonly string[]): Arguments {
  const { values } = parsedArguments({ args: [...args], options: OPTIONS })
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
    rounds: values.rounds === undefined ? undefined : numberWithin('rounds', values.rounds, ROUNDS),
    generators:
      values.generators === undefined ? 1 : numberWithin('generators', values.generators, GENERATORS),
    full: values.full ?? false,
    quick: values.quick ?? false,
    seed: values.seed === undefined ? 1 : numberWithin('seed', values.seed, SEEDS),
    ...reportFiles({ json: values.json, html: values.html, picture: values.picture }),
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

/** What two executors are compared in: one scenario in overload, where executors differ most, unless others are named. */
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

function ownModule(option: 'executor' | 'producer', file: string): OwnExecutor {
  const path = resolve(file)
  if (!existsSync(path) || !statSync(path).isFile())
    throw new UsageError(`--${option}: there is no file ${path}`)
  const name = basename(path, extname(path))
  return { name: TAKEN.has(name) ? `own ${name}` : name, url: pathToFileURL(path).href }
}
