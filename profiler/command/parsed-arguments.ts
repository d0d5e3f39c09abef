import { parseArgs, type ParseArgsConfig } from 'node:util'
import { UsageError } from '../usage-error.ts'

/**
 * A command line after its options, whose values are not yet checked.
 *
 * @throws UsageError
 */
export function parsedArguments<Config extends ParseArgsConfig>(
  config: Config,
): ReturnType<typeof parseArgs<Config>> {
  try {
    return parseArgs(config)
  } catch (error) {
    throw new UsageError((error as Error).message, { cause: error })
  }
}

/** From one number to another, both included. */
export interface Range {
  least: number
  most: number
  /** Whether only whole numbers are in it. */
  whole: boolean
}

/** @throws UsageError */
export function numberWithin(option: string, text: string, { least, most, whole }: Range): number {
  const value = Number(text)
  if (!(whole ? /^\d+$/ : /^\d+(\.\d+)?$/).test(text) || value < least || value > most) {
    const kind = whole ? 'a whole number' : 'a number'
    throw new UsageError(`--${option}: expected ${kind} from ${least} to ${most}, got "${text}"`)
  }
  return value
}

/** What a random generator can be begun with. */
export const SEEDS: Range = { least: 0, most: 2 ** 32 - 1, whole: true }
