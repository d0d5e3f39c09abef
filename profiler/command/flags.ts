/** The flags of `headfirst profile`: one line for each option, beside those of the command's own. */
import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import type { ParseArgsConfig } from 'node:util'
import type { GivenOptions, NameOf } from '../options/given.ts'
import type { ProfileOptions } from '../options/profile-options.ts'
import { UsageError } from '../usage-error.ts'

/** Flags as `parseArgs` takes them. */
type Flags = NonNullable<ParseArgsConfig['options']>

type Parsed = string | boolean | (string | boolean)[]

interface OptionFlag {
  /** Without its dashes. Default: the option's name in kebab case. */
  readonly flag?: string
  readonly short?: string
  readonly type?: 'boolean'
  readonly multiple?: true
  /** From what stands in the command line to what the option takes. Default: the text itself. */
  readonly read?: (text: string) => unknown
}

const FLAGS: Readonly<Record<keyof ProfileOptions, OptionFlag>> = {
  rate: {},
  arrivals: {},
  seed: {},
  closed: {},
  duration: {},
  warmup: {},
  connections: {},
  hold: {},
  generators: {},
  method: { short: 'X' },
  headers: { flag: 'header', short: 'H', multiple: true, read: splitHeader },
  data: { short: 'd', read: bodyOf },
  unixSocket: { read: (path) => resolve(path) },
  ca: { read: (file) => readable('--ca', file).toString() },
  insecure: { type: 'boolean', short: 'k' },
  events: {},
  for: {},
  timeout: {},
  stamp: {},
  slo: {},
  thresholds: { flag: 'threshold', multiple: true },
  findCapacity: {},
  precision: {},
  serverProfile: {},
  token: {},
}

const NAMES = Object.keys(FLAGS) as readonly (keyof ProfileOptions)[]

const flagOf = (option: keyof ProfileOptions): string =>
  FLAGS[option].flag ?? option.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)

/** An option's name as the command line has it. */
export const nameOf: NameOf = (option) => `--${flagOf(option)}`

/** The flags of all options, for `parseArgs`. */
export const OPTION_FLAGS: Flags = Object.fromEntries(
  NAMES.map((option) => {
    const { type = 'string', short, multiple = false } = FLAGS[option]
    return [flagOf(option), { type, multiple, ...(short === undefined ? {} : { short }) }] as const
  }),
)

/**
 * The options that were given, from what `parseArgs` has found.
 *
 * @throws UsageError for a file that cannot be read
 */
export function givenOptions(values: Readonly<Record<string, Parsed | undefined>>): GivenOptions {
  const given = NAMES.map((option) => {
    const { read = (text: string) => text } = FLAGS[option]
    const readOne = (value: string | boolean): unknown => (typeof value === 'string' ? read(value) : value)
    const value = values[flagOf(option)]
    if (value === undefined) return [option, undefined] as const
    return [option, Array.isArray(value) ? value.map(readOne) : readOne(value)] as const
  })
  return Object.fromEntries(given)
}

function splitHeader(text: string): [name: string, value: string] {
  const colon = text.indexOf(':')
  return [text.slice(0, Math.max(0, colon)), text.slice(colon + 1)]
}

function bodyOf(text: string): Buffer {
  return text.startsWith('@') ? readable('--data', text.slice(1)) : Buffer.from(text)
}

function readable(option: string, file: string): Buffer {
  try {
    return readFileSync(resolve(file))
  } catch (error) {
    throw new UsageError(`${option}: can't read ${resolve(file)}: ${(error as Error).message}`, {
      cause: error,
    })
  }
}
