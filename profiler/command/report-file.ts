/** The files for the reports of a run: tried before it begins, written when it is over. */
import {
  accessSync,
  closeSync,
  constants,
  existsSync,
  lstatSync,
  openSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
  type Stats,
} from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { UsageError } from '../usage-error.ts'

/** By the name of the option, without its dashes; undefined where it was not given. */
export type ReportFiles<Name extends string> = Record<Name, string | undefined>

/**
 * If a file could not be written, a run of minutes would end without its report; so each file is opened before. One
 * that is there stays as it is, and one that is not is removed again.
 *
 * @returns absolute paths
 * @throws UsageError
 */
export function reportFiles<Name extends string>(given: ReportFiles<Name>): ReportFiles<Name> {
  const options = new Map<string, string>()
  const checked = Object.entries<string | undefined>(given).map(([name, file]) => {
    if (file === undefined) return [name, undefined] as const
    if (file === '') throw new UsageError(`--${name}: expected the name of a file, got ""`)
    const path = resolve(file)
    const whyNot = /[/\\]$/.test(file) ? 'it is a folder. Name a file in it' : whyNotWritable(path)
    if (whyNot !== undefined) throw new UsageError(`--${name}: can't write ${path}: ${whyNot}`)
    const other = options.get(path)
    if (other !== undefined && isReplaced(path)) {
      throw new UsageError(`--${name}: ${path} is the file of --${other} already. Name another`)
    }
    options.set(path, name)
    return [name, path] as const
  })
  return Object.fromEntries(checked) as ReportFiles<Name>
}

/** In words that go on after a colon. */
function whyNotWritable(path: string): string | undefined {
  const folder = dirname(path)
  try {
    const there = statOf(path)
    if (there?.isDirectory() === true) return 'it is a folder. Name a file in it'
    const around = statOf(folder)
    if (around === undefined) return `there is no folder ${folder}. Make it first`
    if (!around.isDirectory()) return `${folder} is no folder. Name a file in one`
    tryToWrite(path, there)
  } catch (error) {
    return `${(error as Error).message}. Name a file that may be written`
  }
  return undefined
}

function tryToWrite(path: string, there: Stats | undefined): void {
  if (there === undefined) {
    if (lstatSync(path, { throwIfNoEntry: false }) !== undefined) {
      throw new Error('it is a link to a file that does not exist')
    }
    closeSync(openSync(path, 'wx'))
    rmSync(path)
  } else if (there.isFile()) {
    closeSync(openSync(path, constants.O_WRONLY))
  } else {
    // open() of a pipe waits for its reader.
    accessSync(path, constants.W_OK)
  }
}

/** Undefined where there is nothing, or no folder on the way there. */
function statOf(path: string): Stats | undefined {
  try {
    return statSync(path)
  } catch (error) {
    if (['ENOENT', 'ENOTDIR'].includes((error as { code: string }).code)) return undefined
    throw error
  }
}

/** Whether a report replaces what stands at the path: a file, or nothing. A device or a pipe is written to. */
function isReplaced(path: string): boolean {
  return statOf(path)?.isFile() ?? true
}

/**
 * Writes each file, whatever becomes of the others.
 *
 * @param texts undefined where there is nothing to write
 * @param hasMeasured false where a run was interrupted before it had measured anything: that replaces no older report
 */
export function writeReports<Name extends string>(
  files: ReportFiles<NoInfer<Name>>,
  texts: Record<Name, () => string | undefined>,
  hasMeasured: boolean,
): void {
  const failures: Error[] = []
  for (const [name, textOf] of Object.entries<() => string | undefined>(texts)) {
    const path = files[name as Name]
    if (path === undefined) continue
    if (!hasMeasured && existsSync(path)) {
      process.stderr.write(`--${name}: ${path} stays as it was, since nothing was measured\n`)
      continue
    }
    try {
      const text = textOf()
      if (text !== undefined) writeReport(path, text)
    } catch (error) {
      failures.push(
        new Error(`--${name}: can't write ${path}: ${(error as Error).message}`, { cause: error }),
      )
    }
  }
  if (failures[0] !== undefined) throw failures[0]
}

/** As a whole or not at all: an older report stays when the disk fills up, or the process is killed, meanwhile. */
function writeReport(path: string, text: string): void {
  if (!isReplaced(path)) {
    writeFileSync(path, text)
    return
  }
  // What a link leads to is replaced, and not the link.
  const target = existsSync(path) ? realpathSync(path) : path
  const partial = join(dirname(target), `.headfirst-${process.pid}`)
  try {
    writeFileSync(partial, text, { flag: 'wx', mode: statOf(target)?.mode ?? 0o666 })
    renameSync(partial, target)
  } catch (error) {
    const { code, syscall } = error as NodeJS.ErrnoException
    // Where the file may be written, a new one in its folder may still be forbidden.
    if (syscall !== 'open' || !['EACCES', 'EPERM', 'EROFS'].includes(code ?? '')) {
      rmSync(partial, { force: true })
      throw error
    }
    writeFileSync(target, text)
  }
}
