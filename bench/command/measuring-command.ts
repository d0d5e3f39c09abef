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
  /** Where it is written to, where that was asked for. */
  files: ReportFiles<'json' | 'html' | NoInfer<Extra>>
  /** What is written besides the document; undefined where there is nothing to write. */
  extras: Record<Extra, () => string | undefined>
  /** Whether there is enough to take an older report's place. */
  hasMeasured: (document: Document) => boolean
  /** Of a measurement that has come to its end. */
  exitCode: () => number
}

/**
 * Measures, shows what was found and writes it, also when interrupted.
 *
 * @returns the exit code
 */
export async function measuringCommand<Extra extends string>({
  results,
  measure,
  document: documentOf,
  files,
  extras,
  hasMeasured,
  exitCode,
}: Measuring<Extra>): Promise<number> {
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
  writeReports<'json' | 'html' | Extra>(files, texts, hasMeasured(document))
  return results.interrupted ? EXIT.interrupted : exitCode()
}
