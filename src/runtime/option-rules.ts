/** Rules for options, of routes, executors and everything else that takes some: what is expected, and whether it is so. */
import { HF_ERR_OPTION_INVALID, HF_ERR_OPTION_UNKNOWN } from '../errors.ts'
import { show } from '../sse/event.ts'

export type Rule = readonly [expected: string, holds: (value: unknown) => boolean]

/** A whole number. Default of `most`: any. */
export const whole = (least: number, most: number = Number.MAX_SAFE_INTEGER): Rule => [
  most === Number.MAX_SAFE_INTEGER
    ? `a whole number from ${least}`
    : `a whole number from ${least} to ${most}`,
  (value) => Number.isSafeInteger(value) && (value as number) >= least && (value as number) <= most,
]

/** Longer timers overflow Node's 32-bit milliseconds and would fire at once. */
const LONGEST_TIMER_MS = 2 ** 31 - 1
export const milliseconds = (least: number): Rule => whole(least, LONGEST_TIMER_MS)

export function isObject(value: unknown): boolean {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/**
 * Checks options against rules. A value of undefined counts as absent.
 *
 * @param place where the options stand, for the message
 * @returns a copy without absent options
 * @throws HF_ERR_OPTION_UNKNOWN, HF_ERR_OPTION_INVALID
 */
export function checkOptions<Options extends object>(
  options: Options,
  rules: Readonly<Record<string, Rule>>,
  place: string,
): Options {
  const checked: Record<string, unknown> = {}
  for (const [key, value] of Object.entries(options)) {
    const rule = Object.hasOwn(rules, key) ? rules[key] : undefined
    if (rule === undefined) throw new HF_ERR_OPTION_UNKNOWN(key, place, Object.keys(rules).join(', '))
    if (value === undefined) continue
    const [expected, holds] = rule
    if (!holds(value)) throw new HF_ERR_OPTION_INVALID(key, place, expected, show(value))
    checked[key] = value
  }
  return checked as Options
}
