/** `headfirst profile`: from arguments to a report and an exit code. */
import { runProfile } from '../findings/run-profile.ts'
import type { ProfileProgress } from '../findings/progress.ts'
import type { Findings } from '../findings/findings.ts'
import { EXIT, verdictOf } from '../findings/verdict.ts'
import { toDocument } from '../sections/document.ts'
import { toHtml } from '../report/html.ts'
import { ofStdout, toTerminal } from '../report/terminal.ts'
import { toJson } from '../report/readable-json.ts'
import { readEarlierRun } from './earlier-run.ts'
import { parseProfileArguments, type ProfileCommand } from './arguments.ts'
import { HELP } from './help.ts'
import { Progress } from './progress.ts'
import { writeReports } from './report-file.ts'

/**
 * @returns the exit code
 * @throws UsageError
 */
export async function profile(argv: readonly string[]): Promise<number> {
  const command = parseProfileArguments(argv)
  if (command.kind === 'help') {
    process.stdout.write(HELP)
    return EXIT.pass
  }
  if (command.kind === 'self-check' || command.profile === undefined) {
    const { selfCheck } = await import('./self-check.ts')
    return selfCheck(command)
  }
  const options = command.profile
  const before = command.compare === undefined ? undefined : readEarlierRun(command.compare)
  const interrupted = new AbortController()
  const interrupt = (): void => interrupted.abort()
  process.once('SIGINT', interrupt)
  process.once('SIGTERM', interrupt)
  const progress = new Progress(options.hold > 0 ? 2 : 1)
  let phase: 'hold' | 'measure' | undefined
  const onProgress = (news: ProfileProgress): void => {
    const next = news.phase === 'hold' ? 'hold' : 'measure'
    // Where the run begins anew, streams are opened again within the second step.
    if (phase !== next && phase !== 'measure') {
      progress.next(next === 'hold' ? words(news) : options.url.href)
      phase = next
    }
    progress.now(words(news))
  }
  try {
    const found = await runProfile(options, {
      command: `headfirst profile ${argv.map(quoted).join(' ')}`,
      before,
      onProgress,
      signal: interrupted.signal,
    }).finally(() => progress.clear())
    show(found, command)
    return EXIT[verdictOf(found)]
  } finally {
    process.removeListener('SIGINT', interrupt)
    process.removeListener('SIGTERM', interrupt)
  }
}

function words(news: ProfileProgress): string {
  if (news.phase === 'hold') return `opening ${news.streams} streams: ${news.open} open, ${news.lost} lost`
  if (news.phase === 'anew') {
    return `anew with ${news.generators} generators: there was too much to do for half of them`
  }
  const { rate, generators, open, good, failed, events } = news
  const pace = rate === undefined ? 'closed loop' : `${rate}/s`
  const by = generators === 1 ? '' : ` by ${generators} generators`
  return `${pace}${by}: ${open} open, ${good} good, ${failed} failed, ${events} events`
}

function show(found: Findings, files: Pick<ProfileCommand, 'json' | 'html'>): void {
  const document = toDocument(found)
  process.stdout.write(toTerminal(document, ofStdout()))
  const texts = { json: () => toJson(document), html: () => toHtml(document) }
  writeReports(files, texts, found.measurement !== undefined)
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
