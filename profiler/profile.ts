/** `profile()`: a profile from a program. */
import { runProfile } from './findings/run-profile.ts'
import type { ProfileProgress } from './findings/progress.ts'
import type { ProfileDocument } from './findings/results.ts'
import { EXIT, verdictOf, type Verdict } from './findings/verdict.ts'
import type { ProfileOptions } from './options/profile-options.ts'
import { resolveProfile } from './options/resolve-profile.ts'
import type { Document } from './report/document.ts'
import { toDocument } from './sections/document.ts'
import { UsageError } from './usage-error.ts'
import { comparable, type EarlierRun } from './verdict/comparison.ts'

/** What {@link profile} is called with beside the URL: the options of the command, and how a program follows the run. */
export interface ProfileCall extends ProfileOptions {
  /** Ends the measurement when it aborts: what there is by then is the report, with the verdict `interrupted`. */
  signal?: AbortSignal
  /**
   * Called as the run goes on: twice a second while streams are measured. The run does not wait for a promise. If it
   * throws or rejects, the run ends, and {@link profile} rejects with that error.
   */
  onProgress?: (progress: ProfileProgress) => unknown
  /**
   * The document of a run of before, as `report.document` or {@link fromJson} gives it: the report then has the ratios
   * to it.
   */
  compare?: Document
}

/** What {@link profile} resolves with. */
export interface ProfileReport {
  /**
   * - `pass`: valid, and every threshold holds
   * - `threshold`: valid, and one does not; or no rate holds the condition of `findCapacity`
   * - `invalid`: the generator was late or busy, or no stream was good: conclude nothing from it
   * - `interrupted`: the signal has aborted
   */
  verdict: Verdict
  /** The exit code of the command in the same case: 0, 99, 3 or 130. */
  exitCode: number
  /** Everything that was found, for {@link toHtml}, {@link toTerminal} and {@link toJson}. Figures stand in `results`. */
  document: ProfileDocument
}

/**
 * Begins streams on an endpoint of any server, and reports what their clients see.
 *
 * @example
 * const report = await profile('http://localhost:3000/ticks', { rate: 200, duration: '30s', thresholds: ['ttfb:p99<50'] })
 * if (report.verdict !== 'pass') process.exitCode = report.exitCode
 * await writeFile('report.html', toHtml(report.document))
 *
 * @param url of the endpoint: `http:` or `https:`
 * @returns a report, also where every stream has failed: the verdict is `invalid` then
 * @throws (rejects) {@link UsageError} (`code: 'HF_ERR_PROFILE_USAGE'`) for what the command refuses, with the same words;
 *   what `onProgress` throws, or rejects with
 */
export async function profile(url: string | URL, call: ProfileCall = {}): Promise<ProfileReport> {
  const { given, signal, onProgress, before } = resolveCall(call)
  const options = resolveProfile(url, given)
  // In a timer of the run an exception would end the process: it ends the run instead, and is thrown after it.
  let thrown: { error: unknown } | undefined
  const failed = new AbortController()
  const fail = (error: unknown): void => {
    thrown ??= { error }
    failed.abort()
  }
  const found = await runProfile(options, {
    command: textOf(options.url, given),
    before,
    onProgress(progress) {
      if (thrown === undefined) void (async () => onProgress(progress))().catch(fail)
    },
    signal: signal === undefined ? failed.signal : AbortSignal.any([signal, failed.signal]),
  })
  if (thrown !== undefined) throw thrown.error
  const verdict = verdictOf(found)
  return { verdict, exitCode: EXIT[verdict], document: toDocument(found) }
}

/** Options that may hold a secret, or a whole body. */
const NOT_SHOWN: readonly string[] = ['headers', 'data', 'ca', 'token']

/** The call, as the report shows it. */
function textOf(url: URL, given: ProfileOptions): string {
  const options = Object.entries(given)
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => `${name}: ${NOT_SHOWN.includes(name) ? '…' : JSON.stringify(value)}`)
  return `profile('${url.href}'${options.length === 0 ? '' : `, { ${options.join(', ')} }`})`
}

interface ResolvedCall {
  given: ProfileOptions
  signal: AbortSignal | undefined
  onProgress: (progress: ProfileProgress) => unknown
  before: EarlierRun | undefined
}

/** @throws UsageError */
function resolveCall(call: unknown): ResolvedCall {
  if (typeof call !== 'object' || call === null) {
    throw new UsageError(`Expected options as an object, got "${String(call)}"`)
  }
  const { signal, onProgress = () => {}, compare, ...given } = call as ProfileCall
  if (signal !== undefined && !(signal instanceof AbortSignal)) {
    throw new UsageError(`signal: expected an AbortSignal, got "${String(signal)}"`)
  }
  if (typeof onProgress !== 'function') {
    throw new UsageError(`onProgress: expected a function, got "${String(onProgress)}"`)
  }
  const before = compare === undefined ? undefined : comparable(compare)
  if (compare !== undefined && before === undefined) {
    throw new UsageError('compare: expected the document of a profile, as report.document or fromJson(text)')
  }
  return { given, signal, onProgress, before }
}
