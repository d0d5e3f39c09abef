/** The command line of `headfirst profile`, checked. */
import { existsSync, statSync } from 'node:fs'
import { resolve } from 'node:path'
import { resolveProfile } from '../options/resolve-profile.ts'
import type { ResolvedProfile } from '../options/resolved-profile.ts'
import { UsageError } from '../usage-error.ts'
import { givenOptions, nameOf, OPTION_FLAGS } from './flags.ts'
import { parsedArguments } from './parsed-arguments.ts'
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
  const { values, positionals } = parsedArguments({
    args: [...args],
    allowPositionals: true,
    options: { ...OPTION_FLAGS, ...OWN_FLAGS },
  })
  const { help, 'self-check': selfCheck, compare, json, html } = values
  const kind = help === true ? 'help' : selfCheck === true ? 'self-check' : 'profile'
  const [address, ...more] = positionals
  if (more.length > 0)
    throw new UsageError(`Expected one URL, got also "${more.join(' ')}". Quote what has spaces`)
  if (address === undefined && kind === 'profile') {
    throw new UsageError('Expected a URL: headfirst profile http://localhost:3000/ticks')
  }
  const given = givenOptions(values)
  return {
    kind,
    profile: address === undefined ? undefined : resolveProfile(address, given, nameOf),
    compare: compare === undefined ? undefined : existing('--compare', compare),
    ...reportFiles({ json, html }),
  }
}

function existing(option: string, file: string): string {
  const path = resolve(file)
  if (!existsSync(path) || !statSync(path).isFile())
    throw new UsageError(`${option}: there is no file ${path}`)
  return path
}
