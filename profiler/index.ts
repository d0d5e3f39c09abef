/** `headfirst/profiler`: what the clients of an SSE endpoint see, measured by a program. The command is a shell over it. */
import { Session } from './load/session.ts'
import { resolveProfile, type ProfileOptions } from './options.ts'
import { EXIT, runProfile, verdictOf, type ProfileProgress, type Verdict } from './profile.ts'
import { toDocument } from './presentation.ts'
import type { Document } from './report/document.ts'
import { comparable } from './verdict/comparison.ts'
import { UsageError } from './usage-error.ts'

export type { ProfileOptions, Time } from './options.ts'
export type { ProfileProgress, Verdict } from './profile.ts'
export type { Document } from './report/document.ts'
export { toHtml } from './report/html.ts'
export { toTerminal, type TerminalSettings } from './report/terminal.ts'
export { UsageError } from './usage-error.ts'
export { fromReadableJson as fromJson, toReadableJson as toJson } from './verdict/comparison.ts'

export interface ProfileCall extends ProfileOptions {
  /** Ends the measurement when it aborts: what there is by then is the report, with the verdict `interrupted`. */
  signal?: AbortSignal
  /** Told how the profile goes on. */
  onProgress?: (progress: ProfileProgress) => void
  /** The document of a run of before: the report then has the ratios to it. */
  compare?: Document
}

export interface ProfileReport {
  /**
   * - `pass`: valid, and every threshold holds
   * - `threshold`: valid, and one does not
   * - `invalid`: the generator was late or busy, or no stream was good: conclude nothing from it
   * - `interrupted`: the signal has aborted
   */
  verdict: Verdict
  /** The exit code of the command in the same case: 0, 99, 3 or 130. */
  exitCode: number
  /** Everything that was found, for {@link toHtml}, {@link toTerminal} and {@link toJson}. Figures stand in `results`. */
  document: Document
}

/**
 * Begins streams on an endpoint of any server, and reports what their clients see.
 *
 * @example
 * const report = await profile('http://localhost:3000/ticks', { rate: 200, duration: '30s', thresholds: ['ttfb:p99<50'] })
 * if (report.verdict !== 'pass') process.exitCode = report.exitCode
 * await writeFile('report.html', toHtml(report.document))
 *
 * @throws UsageError (`code: 'HF_ERR_PROFILE_USAGE'`) for what the command refuses, with the same words
 */
export async function profile(url: string | URL, call: ProfileCall = {}): Promise<ProfileReport> {
  const { signal, onProgress = () => {}, compare, ...given } = call
  const options = resolveProfile(url, given)
  const before = compare === undefined ? undefined : comparable(compare)
  if (compare !== undefined && before === undefined) {
    throw new UsageError('compare: expected the document of a profile, as report.document or fromJson(text)')
  }
  const session = new Session(options.generators)
  const interrupt = (): void => session.interrupt()
  signal?.addEventListener('abort', interrupt)
  if (signal?.aborted === true) interrupt()
  try {
    const found = await runProfile(options, session, {
      command: `profile('${options.url.href}')`,
      before,
      onProgress,
    })
    const verdict = verdictOf(found)
    return { verdict, exitCode: EXIT[verdict], document: toDocument(found) }
  } finally {
    signal?.removeEventListener('abort', interrupt)
    await session.end()
  }
}
