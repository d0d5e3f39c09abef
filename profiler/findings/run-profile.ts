/** From options to findings: what the command and the API have in common. */
import { addressOf } from '../client/address.ts'
import { Session, type Onlooker } from '../load/session.ts'
import type { ResolvedProfile } from '../options/resolved-profile.ts'
import { portOf, targetOf } from '../options/target.ts'
import type { Measurement, Plan } from '../plan.ts'
import { ServerWatch } from '../server-view/server-view.ts'
import { UsageError } from '../usage-error.ts'
import { findCapacity, stepLoad } from '../verdict/capacity.ts'
import { compare, type EarlierRun } from '../verdict/comparison.ts'
import { judgeCondition } from '../verdict/condition.ts'
import { validity } from '../verdict/validity.ts'
import type { Findings, Threshold } from './findings.ts'
import type { ProfileProgress } from './progress.ts'

export interface ProfileSettings {
  /** The command or the call, as the report shows it. */
  command: string
  /** A run of before. */
  before: EarlierRun | undefined
  onProgress: (progress: ProfileProgress) => void
  /** Ends the run when it aborts, with what there is by then. */
  signal: AbortSignal
}

/** @throws UsageError where the server's own profile cannot be had */
export async function runProfile(options: ResolvedProfile, settings: ProfileSettings): Promise<Findings> {
  const { signal } = settings
  const session = new Session(options.generators)
  const interrupt = (): void => session.interrupt()
  signal.addEventListener('abort', interrupt)
  if (signal.aborted) interrupt()
  try {
    return await find(options, session, settings)
  } finally {
    signal.removeEventListener('abort', interrupt)
    await session.end()
  }
}

async function find(
  options: ResolvedProfile,
  session: Session,
  { command, before, onProgress, signal }: ProfileSettings,
): Promise<Findings> {
  const { url, socketPath, hold, server, end, load, stamp, slo, thresholds } = options
  const address =
    socketPath === undefined ? await addressOf(url.hostname.replaceAll(/[[\]]/g, ''), portOf(url)) : undefined
  const target = targetOf(options, address)
  const plan: Plan = { target, end, load, stamp, slo }
  const found: Findings = {
    url: url.href,
    address: socketPath ?? `${target.host} port ${target.port}`,
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
  const watch = server === undefined ? undefined : new ServerWatch(server, options)
  try {
    await watch?.begin(signal).catch((error: unknown) => {
      if (signal.aborted) return
      throw new UsageError(`${server?.option}: ${(error as Error).message}`, { cause: error })
    })
    const onlookerAt = (rate: number | undefined): Onlooker => ({
      opening({ open, lost }) {
        onProgress({ phase: 'hold', streams: hold, open, lost })
      },
      standing({ open, good, failed, events }, generators) {
        onProgress({ phase: 'measure', rate, generators, open, good, failed, events })
      },
      anew(generators) {
        onProgress({ phase: 'anew', generators })
      },
    })
    if (hold > 0 && !session.interrupted) {
      onProgress({ phase: 'hold', streams: hold, open: 0, lost: 0 })
      await session.hold(plan, hold, onlookerAt(load.rate))
    }
    if (session.interrupted) {
      // Before anything was measured.
    } else if (options.capacity === undefined) {
      found.measurement = await session.measure(plan, onlookerAt(load.rate))
    } else {
      await search(options, session, found, onlookerAt)
    }
    if (hold > 0) found.held = await session.held()
  } finally {
    found.server = await watch?.end()
  }
  found.interrupted = session.interrupted
  const { measurement } = found
  if (measurement !== undefined) {
    found.judged = judge({ thresholds, load }, measurement)
    if (before !== undefined) {
      const now = { measurement, isClosed: found.plan.load.closed !== undefined }
      found.compared = { command: before.command, ...compare(before, now) }
    }
  }
  return found
}

function judge(
  { thresholds, load }: Pick<ResolvedProfile, 'thresholds' | 'load'>,
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
  { capacity, load, precision }: ResolvedProfile,
  session: Session,
  found: Findings,
  onlookerAt: (rate: number) => Onlooker,
): Promise<void> {
  if (capacity === undefined) return
  const measure = async (rate: number): Promise<Measurement | undefined> => {
    if (session.interrupted) return undefined
    const plan = { ...found.plan, load: stepLoad(load, rate, capacity) }
    const measurement = await session.measure(plan, onlookerAt(rate))
    return session.interrupted ? undefined : measurement
  }
  found.capacity = await findCapacity(capacity, load.rate as number, precision, measure)
  const { steps, highest } = found.capacity
  const shown = steps.findLast(({ rate }) => rate === highest) ?? steps.at(-1)
  if (shown === undefined) return
  found.measurement = shown.measurement
  found.plan = { ...found.plan, load: stepLoad(load, shown.rate, capacity) }
}
