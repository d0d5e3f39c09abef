/** `headfirst profile`: from arguments to a report and an exit code. */
import { Progress } from './progress.ts'
import { writeReports } from './report-file.ts'
import { toHtml } from '../report/html.ts'
import { ofStdout, toTerminal } from '../report/terminal.ts'
import { addressOf } from '../client/address.ts'
import { HELP, parseProfileArguments, targetOf, type ProfileArguments } from './arguments.ts'
import { findCapacity, stepLoad, stoppedBy } from '../verdict/capacity.ts'
import { compare, readMeasurement, toReadableJson } from '../verdict/comparison.ts'
import { judgeCondition } from '../verdict/condition.ts'
import type { Measurement, Plan } from '../plan.ts'
import { toDocument, type Profile, type Threshold } from '../presentation.ts'
import { ServerWatch } from '../server-view/server-view.ts'
import { Session, type Onlooker } from '../load/session.ts'
import { UsageError } from './usage-error.ts'
import { validity } from '../verdict/validity.ts'

const EXIT = { pass: 0, usage: 2, invalid: 3, threshold: 99, interrupted: 130 } as const

/**
 * @returns the exit code
 * @throws UsageError
 */
export async function profile(argv: readonly string[]): Promise<number> {
  const args = parseProfileArguments(argv)
  if (args.help) {
    process.stdout.write(HELP)
    return EXIT.pass
  }
  if (args.selfCheck) {
    const { selfCheck } = await import('./self-check.ts')
    return selfCheck(args)
  }
  const before = args.compare === undefined ? undefined : readMeasurement(args.compare)
  const session = new Session(args.generators)
  const interrupt = (): void => session.interrupt()
  process.once('SIGINT', interrupt)
  process.once('SIGTERM', interrupt)
  try {
    const found = await measured(args, session, `headfirst profile ${argv.map(quoted).join(' ')}`)
    if (before !== undefined && found.measurement !== undefined) {
      const now = { measurement: found.measurement, isClosed: found.plan.load.closed !== undefined }
      found.compared = { command: before.command, ...compare(before, now) }
    }
    show(found, args)
    return exitCode(found)
  } finally {
    process.removeListener('SIGINT', interrupt)
    process.removeListener('SIGTERM', interrupt)
    await session.end()
  }
}

async function measured(args: ProfileArguments, session: Session, command: string): Promise<Profile> {
  const url = args.url as URL
  const isDirect = args.socketPath === undefined
  const port = Number(url.port === '' ? (url.protocol === 'https:' ? 443 : 80) : url.port)
  const address = isDirect ? await addressOf(url.hostname.replaceAll(/[[\]]/g, ''), port) : undefined
  const target = targetOf(args, address)
  const { end, load, stamp, slo } = args
  const plan: Plan = { target, end, load, stamp, slo }
  const found: Profile = {
    url: url.href,
    address: isDirect ? `${target.host} port ${port}` : (args.socketPath as string),
    command,
    startedAt: new Date().toISOString(),
    plan,
    measurement: undefined,
    held: undefined,
    capacity: undefined,
    judged: [],
    compared: undefined,
    server: undefined,
    interrupted: false,
  }
  const progress = new Progress(args.hold > 0 ? 2 : 1)
  const watch = args.server === undefined ? undefined : new ServerWatch(args.server, args)
  try {
    await watch?.begin().catch((error: unknown) => {
      throw new UsageError(`--server-profile: ${(error as Error).message}`, { cause: error })
    })
    if (args.hold > 0) {
      progress.next(`opening ${args.hold} streams`)
      await session.hold(plan, args.hold)
    }
    const tell = (rate: number | undefined): Onlooker => ({
      standing({ open, good, failed, events }, generators) {
        const pace = rate === undefined ? 'closed loop' : `${rate}/s`
        const by = generators === 1 ? '' : ` by ${generators} generators`
        progress.now(`${pace}${by}: ${open} open, ${good} good, ${failed} failed, ${events} events`)
      },
      anew(generators) {
        progress.now(`anew with ${generators} generators: there was too much to do for half of them`)
      },
    })
    progress.next(url.href)
    if (session.interrupted) {
      // Before anything was measured.
    } else if (args.capacity === undefined) {
      found.measurement = await session.measure(plan, tell(load.rate))
    } else {
      await search(args, session, found, tell)
    }
    if (args.hold > 0) found.held = await session.held()
    found.server = await watch?.end()
  } finally {
    await watch?.end()
    progress.clear()
  }
  found.interrupted = session.interrupted
  const { measurement } = found
  if (measurement !== undefined) found.judged = judge(args, measurement)
  return found
}

function judge(
  { thresholds, load }: Pick<ProfileArguments, 'thresholds' | 'load'>,
  measurement: Measurement,
): Threshold[] {
  const isValid = validity(measurement, load.closed !== undefined).failures.length === 0
  return thresholds.map((threshold) => {
    const judged = judgeCondition(threshold, measurement)
    return isValid ? judged : { ...judged, holds: undefined }
  })
}

/** What stands in the report is the step at the highest rate that held. */
async function search(
  { capacity, load, precision }: ProfileArguments,
  session: Session,
  found: Profile,
  tell: (rate: number) => Onlooker,
): Promise<void> {
  if (capacity === undefined) return
  const measure = async (rate: number): Promise<Measurement | undefined> => {
    if (session.interrupted) return undefined
    const plan = { ...found.plan, load: stepLoad(load, rate, capacity) }
    const measurement = await session.measure(plan, tell(rate))
    return session.interrupted ? undefined : measurement
  }
  found.capacity = await findCapacity(capacity, load.rate as number, precision, measure)
  const { steps, highest } = found.capacity
  const shown = steps.findLast(({ rate }) => rate === highest) ?? steps.at(-1)
  if (shown === undefined) return
  found.measurement = shown.measurement
  found.plan = { ...found.plan, load: stepLoad(load, shown.rate, capacity) }
}

function show(found: Profile, files: Pick<ProfileArguments, 'json' | 'html'>): void {
  const document = toDocument(found)
  process.stdout.write(toTerminal(document, ofStdout()))
  const texts = { json: () => toReadableJson(document), html: () => toHtml(document) }
  writeReports(files, texts, found.measurement !== undefined)
}

export function exitCode({
  interrupted,
  capacity,
  measurement,
  plan,
  judged,
}: Pick<Profile, 'interrupted' | 'capacity' | 'measurement' | 'plan' | 'judged'>): number {
  if (interrupted) return EXIT.interrupted
  if (capacity !== undefined) {
    if (capacity.highest !== undefined) return thresholdCode(judged)
    return stoppedBy(capacity) === undefined ? EXIT.threshold : EXIT.invalid
  }
  if (measurement === undefined) return EXIT.invalid
  if (validity(measurement, plan.load.closed !== undefined).failures.length > 0) return EXIT.invalid
  return thresholdCode(judged)
}

function thresholdCode(judged: Profile['judged']): number {
  return judged.every(({ holds }) => holds === true) ? EXIT.pass : EXIT.threshold
}

const SECRET = /^(authorization|cookie|proxy-authorization|x-api-key)\s*:/i

/** As a shell takes it; what is secret stays out of reports. */
function quoted(argument: string, index: number, all: readonly string[]): string {
  if (all[index - 1] === '--token') return 'TOKEN'
  if (argument.startsWith('--token=')) return '--token=TOKEN'
  const header = argument.replace(/^(?:-H|--header=)/, '')
  if (SECRET.test(header)) return `'${argument.slice(0, argument.indexOf(':'))}: …'`
  return /^[\w@%+=:,./-]+$/.test(argument) ? argument : `'${argument.replaceAll("'", String.raw`'\''`)}'`
}
