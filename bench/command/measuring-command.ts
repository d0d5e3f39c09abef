import { writeReports, type ReportFiles } from '../../profiler/command/report-file.ts'
import { onInterrupt } from '../../profiler/command/run-command.ts'
import type { Document } from '../../profiler/report/document.ts'
import { toHtml } from '../../profiler/report/html.ts'
import { toJson } from '../../profiler/report/json.ts'
import { ofStdout, toTerminal } from '../../profiler/report/terminal.ts'

export const EXIT = { done: 0, interrupted: 130 } as const

/** A measurement of a while, which may be interrupted. */
export interface Measuring<Extra extends string> {
  /** What is found, as far as it came. */
  results: { interrupted: boolean }
  measure: () => Promise<void>
  document: () => Document
  /** What is written besides the document; undefined where there is nothing to write. */
  extras: Record<Extra, () => string | undefined>
  /** Whether there is enough to take an older report's place. */
  hasMeasured: (document: Document) => boolean
  /** Of a measurement that has come to its end. */
  exitCode: () => number
}

interface MeasuringCommand<Arguments, Extra extends string> {
  help: string
  parse: (args: readonly string[]) => Arguments
  begin: (args: Arguments) => Measuring<Extra>
}

/**
 * Measures, shows what was found and writes it, also when interrupted.
 *
 * @returns the exit code
 * @throws UsageError
 */
export async function measuringCommand<
  Extra extends string,
  Arguments extends ReportFiles<'json' | 'html' | Extra> & { help: boolean },
>(argv: readonly string[], command: MeasuringCommand<Arguments, Extra>): Promise<number> {
  const args = command.parse(argv)
  if (args.help) {
    process.stdout.write(command.help)
    return EXIT.done
  }
  const { results, measure, document: documentOf, extras, hasMeasured, exitCode } = command.begin(args)
  onInterrupt(() => (results.interrupted = true))
  try {
    await measure()
  } catch (error) {
    // Whatever was being measured has lost its processes.
    if (!results.interrupted) throw error
  }
  const document = documentOf()
  process.stdout.write(toTerminal(document, ofStdout()))
  const texts = { json: () => toJson(document), html: () => toHtml(document), ...extras }
  writeReports<'json' | 'html' | Extra>(args, texts, hasMeasured(document))
  return results.interrupted ? EXIT.interrupted : exitCode()
}
