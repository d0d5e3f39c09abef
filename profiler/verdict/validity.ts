/** Whether a measurement is one of the server, or was spoilt by the load generator. */
import { availableParallelism } from 'node:os'
import { LEAST_ACHIEVED, MOST_LAG_P99_MS, MOST_UTILISATION } from '../load/gate.ts'
import type { Measurement } from '../plan.ts'

export interface Validity {
  lagP99Ms: number
  utilisation: number
  /** Achieved rate ÷ offered rate; undefined for a closed loop, which offers none. */
  achieved: number | undefined
  /** What failed, in words; empty for a valid measurement. */
  failures: string[]
  /** What to do where the load itself was the fault: a sentence, or ''. */
  remedy: string
}

export const LIMITS: Readonly<Record<'lagP99Ms' | 'utilisation' | 'achieved', number>> = {
  lagP99Ms: MOST_LAG_P99_MS,
  utilisation: MOST_UTILISATION,
  achieved: LEAST_ACHIEVED,
}

/** @param cores of this machine */
export function validity(
  measurement: Measurement,
  isClosed: boolean,
  cores: number = availableParallelism(),
): Validity {
  const { lagP99Ms, utilisation, sentForMs, lastIntendedMs, outcomes, arrivals, generators } = measurement
  const achieved = isClosed || sentForMs === 0 ? undefined : Math.min(1, lastIntendedMs / sentForMs)
  const failures: string[] = []
  if (arrivals === 0) failures.push('no stream came to its end in the time that counts')
  else if ((outcomes.good ?? 0) === 0) failures.push('no stream was good: nothing of the server was measured')
  const before = failures.length
  if (!isClosed && lagP99Ms > LIMITS.lagP99Ms) {
    failures.push(`streams were begun late: send lag p99 ${lagP99Ms.toFixed(1)} ms`)
  }
  if (utilisation >= LIMITS.utilisation) {
    const which = generators === 1 ? 'the generator was busy: its' : 'a generator was busy: its'
    failures.push(`${which} loop at ${Math.round(utilisation * 100)} %`)
  }
  if (achieved !== undefined && achieved < LIMITS.achieved) {
    failures.push(`the rate was not kept: ${Math.round(achieved * 100)} % of it`)
  }
  const remedy = failures.length > before ? remedyOf(2 * generators, cores) : ''
  if ((outcomes.local ?? 0) > 0) {
    failures.push(`this machine could not open ${outcomes.local} connections (see ulimit -n, and free ports)`)
  }
  return { lagP99Ms, utilisation, achieved, failures, remedy }
}

function remedyOf(generators: number, cores: number): string {
  const processes = generators > cores ? '' : `give the load more processes (--generators ${generators}), or `
  const sentence = `${processes}run the profiler on another machine.`
  return `${sentence.charAt(0).toUpperCase()}${sentence.slice(1)}`
}
