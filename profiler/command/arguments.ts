/** The command line of `headfirst profile`, checked. */
import { existsSync, statSync } from 'node:fs'
import { resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { resolveProfile } from '../options/resolve-profile.ts'
import type { ResolvedProfile } from '../options/resolved-profile.ts'
import { UsageError } from '../usage-error.ts'
import { givenOptions, nameOf, OPTION_FLAGS, type Flags } from './flags.ts'
import { reportFiles } from './report-file.ts'

/** What the command is to do. */
export interface ProfileCommand {
  kind: 'help' | 'self-check' | 'profile'
  /** Undefined where no URL was given, which only a profile needs. */
  profile: ResolvedProfile | undefined
  /** Absolute paths. */
  compare: string | undefined
  json: string | undefined
  html: string | undefined
}

const OWN_FLAGS = {
  help: { type: 'boolean', short: 'h' },
  'self-check': { type: 'boolean' },
  compare: { type: 'string' },
  json: { type: 'string' },
  html: { type: 'string' },
} as const

/** @throws UsageError */
export function parseProfileArguments(args: readonly string[]): ProfileCommand {
  const { own, options, positionals } = parsed(args)
  const kind = own.help === true ? 'help' : own['self-check'] === true ? 'self-check' : 'profile'
  const [address, ...more] = positionals
  if (more.length > 0)
    throw new UsageError(`Expected one URL, got also "${more.join(' ')}". Quote what has spaces`)
  if (address === undefined && kind === 'profile') {
    throw new UsageError('Expected a URL: headfirst profile http://localhost:3000/ticks')
  }
  const given = givenOptions(options)
  return {
    kind,
    profile: address === undefined ? undefined : resolveProfile(address, given, nameOf),
    compare: own.compare === undefined ? undefined : existing('--compare', own.compare),
    ...reportFiles({ json: own.json, html: own.html }),
  }
}

type Parsed<Known extends Flags> = ReturnType<typeof parseArgs<{ options: Known }>>['values']

function parsed(args: readonly string[]): {
  own: Parsed<typeof OWN_FLAGS>
  options: Parsed<typeof OPTION_FLAGS>
  positionals: string[]
} {
  try {
    const { values, positionals } = parseArgs({
      args: [...args],
      allowPositionals: true,
      options: { ...OPTION_FLAGS, ...OWN_FLAGS },
    })
    return { own: values, options: values, positionals }
  } catch (error) {
    throw new UsageError((error as Error).message, { cause: error })
  }
}

function existing(option: string, file: string): string {
  const path = resolve(file)
  if (!existsSync(path) || !statSync(path).isFile())
    throw new UsageError(`${option}: there is no file ${path}`)
  return path
}
