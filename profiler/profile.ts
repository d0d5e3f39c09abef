/** From options to what was found: what the command and {@link profile} have in common. */
import { addressOf } from './client/address.ts'
import type { Onlooker, Session } from './load/session.ts'
import { targetOf, type ResolvedProfile } from './options.ts'
import type { Measurement, Plan } from './plan.ts'
import type { Profile, Threshold } from './presentation.ts'
import { ServerWatch } from './server-view/server-view.ts'
import { UsageError } from './usage-error.ts'
import { findCapacity, stepLoad, stoppedBy } from './verdict/capacity.ts'
import { compare, type Comparable } from './verdict/comparison.ts'
import { judgeCondition } from './verdict/condition.ts'
import { validity } from './verdict/validity.ts'

/** How a profile goes on. */
export type ProfileProgress =
  /** Streams are opened that are then kept open. */
  | { readonly phase: 'hold'; readonly streams: number }
  /** Told twice a second. */
  | {
      readonly phase: 'measure'
      /** Streams begun per second; undefined in a closed loop. */
      readonly rate: number | undefined
      readonly generators: number
      readonly open: number
      readonly good: number
      readonly failed: number
      readonly events: number
    }
  /** There were too few generators: what was measured is dropped, and measured anew with so many. */
  | { readonly phase: 'anew'; readonly generators: number }

export interface ProfileSettings {
  /** What is to be read in the report as the command. */
  command: string
  /** A run of before. */
  before: (Comparable & { command: string }) | undefined
  onProgress: (progress: ProfileProgress) => void
}

/** @throws UsageError where the server's own profile cannot be had */
export async function runProfile(
  options: ResolvedProfile,
  session: Session,
  settings: ProfileSettings,
): Promise<Profile> {
  const { url, socketPath, hold, server, end, load, stamp, slo, thresholds } = options
  const port = Number(url.port === '' ? (url.protocol === 'https:' ? 443 : 80) : url.port)
  const address =
    socketPath === undefined ? await addressOf(url.hostname.replaceAll(/[[\]]/g, ''), port) : undefined
  const target = targetOf(options, address)
  const plan: Plan = { target, end, load, stamp, slo }
  const found: Profile = {
    url: url.href,
    address: socketPath ?? `${target.host} port ${port}`,
    command: settings.command,
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
    await watch?.begin().catch((error: unknown) => {
      throw new UsageError(`${server?.option}: ${(error as Error).message}`, { cause: error })
    })
    if (hold > 0) {
      settings.onProgress({ phase: 'hold', streams: hold })
      await session.hold(plan, hold)
    }
    const tell = (rate: number | undefined): Onlooker => ({
      standing({ open, good, failed, events }, generators) {
        settings.onProgress({ phase: 'measure', rate, generators, open, good, failed, events })
      },
      anew(generators) {
        settings.onProgress({ phase: 'anew', generators })
      },
    })
    if (session.interrupted) {
      // Before anything was measured.
    } else if (options.capacity === undefined) {
      found.measurement = await session.measure(plan, tell(load.rate))
    } else {
      await search(options, session, found, tell)
    }
    if (hold > 0) found.held = await session.held()
    found.server = await watch?.end()
  } finally {
    await watch?.end()
  }
  found.interrupted = session.interrupted
  const { measurement } = found
  if (measurement !== undefined) {
    found.judged = judge({ thresholds, load }, measurement)
    if (settings.before !== undefined) {
      const now = { measurement, isClosed: found.plan.load.closed !== undefined }
      found.compared = { command: settings.before.command, ...compare(settings.before, now) }
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

/** What became of a profile. The command's exit codes are those of {@link EXIT}. */
export type Verdict = 'pass' | 'invalid' | 'threshold' | 'interrupted'

export const EXIT: Readonly<Record<Verdict, number>> = {
  pass: 0,
  invalid: 3,
  threshold: 99,
  interrupted: 130,
}

export function verdictOf({
  interrupted,
  capacity,
  measurement,
  plan,
  judged,
}: Pick<Profile, 'interrupted' | 'capacity' | 'measurement' | 'plan' | 'judged'>): Verdict {
  if (interrupted) return 'interrupted'
  if (capacity !== undefined) {
    if (capacity.highest !== undefined) return thresholdVerdict(judged)
    return stoppedBy(capacity) === undefined ? 'threshold' : 'invalid'
  }
  if (measurement === undefined) return 'invalid'
  if (validity(measurement, plan.load.closed !== undefined).failures.length > 0) return 'invalid'
  return thresholdVerdict(judged)
}

function thresholdVerdict(judged: Profile['judged']): Verdict {
  return judged.every(({ holds }) => holds === true) ? 'pass' : 'threshold'
}
