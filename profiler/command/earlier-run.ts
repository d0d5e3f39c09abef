/** The file of `--compare`. */
import { readFileSync } from 'node:fs'
import { fromJson } from '../report/readable-json.ts'
import { UsageError } from '../usage-error.ts'
import { comparable, type EarlierRun } from '../verdict/comparison.ts'

/** @throws UsageError for a file that the profiler has not written */
export function readEarlierRun(path: string): EarlierRun {
  let document: unknown
  try {
    document = fromJson(readFileSync(path, 'utf8'))
  } catch (error) {
    throw new UsageError(`--compare: can't read ${path}: ${(error as Error).message}`, { cause: error })
  }
  const found = comparable(document)
  if (found !== undefined) return found
  throw new UsageError(`--compare: ${path} is no file that headfirst profile --json has written`)
}
