/** Values of one kind each, as a program or a command line gives them: what they have to be, and the words if they are not. */
import { UsageError } from '../usage-error.ts'
import type { Check } from './given.ts'

export function text(option: string, given: unknown): string {
  if (typeof given === 'string' && given !== '') return given
  throw new UsageError(`${option}: expected a text, got "${String(given)}"`)
}

export function truth(option: string, given: unknown): boolean {
  if (typeof given === 'boolean') return given
  throw new UsageError(`${option}: expected true or false, got "${String(given)}"`)
}

export function bytes(option: string, given: unknown): Uint8Array {
  if (typeof given === 'string') return Buffer.from(given)
  if (given instanceof Uint8Array) return given
  throw new UsageError(`${option}: expected a text or bytes, got "${String(given)}"`)
}

export function oneOf<Choice extends string>(...choices: readonly Choice[]): Check<Choice> {
  return (option, given) => {
    const found = choices.find((choice) => choice === given)
    if (found !== undefined) return found
    throw new UsageError(`${option}: expected ${choices.join(' or ')}, got "${String(given)}"`)
  }
}

export function whole(least: number, most: number = Number.MAX_SAFE_INTEGER): Check<number> {
  return (option, given) => {
    const digits = String(given)
    const number = Number(digits)
    if (/^\d+$/.test(digits) && number >= least && number <= most) return number
    const range = most === Number.MAX_SAFE_INTEGER ? `from ${least}` : `from ${least} to ${most}`
    throw new UsageError(`${option}: expected a whole number ${range}, got "${digits}"`)
  }
}

const UNITS: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 }
/** Longer timers overflow Node's 32-bit milliseconds. */
const LONGEST_MS = 2 ** 31 - 1

/** In ms. */
export function time(least: number): Check<number> {
  return (option, given) => {
    const words = typeof given === 'number' ? `${given}ms` : String(given)
    const [, number, unit = ''] =
      /^(-?\d+(?:\.\d+)?)(ms|s|m|h)$/.exec(words) ?? (words === '0' ? [words, '0', 'ms'] : [])
    const ms = Math.round(Number(number) * (UNITS[unit] ?? NaN))
    if (ms >= least && ms <= LONGEST_MS) return ms
    const range = Number.isNaN(ms)
      ? 'with its unit, as 500ms, 30s or 2m'
      : `from ${least} to ${LONGEST_MS} ms`
    throw new UsageError(`${option}: expected a time ${range}, got "${words}"`)
  }
}

/** Streams per second. */
export function rate(option: string, given: unknown): number {
  const digits = String(given)
  const number = Number(digits)
  if (/^\d+(?:\.\d+)?$/.test(digits) && number > 0 && number <= 1e6) return number
  throw new UsageError(`${option}: expected streams per second, as 200 or 0.5, got "${digits}"`)
}

/** Of a percentage: 0.1 for 10%. */
export function share(option: string, given: unknown): number {
  const words = String(given)
  const number = Number(/^(\d+(?:\.\d+)?)%$/.exec(words)?.[1] ?? NaN) / 100
  if (number >= 0.01 && number <= 1) return number
  throw new UsageError(`${option}: expected a percentage from 1% to 100%, as 10%, got "${words}"`)
}
