/** From values to places: an axis, and the ticks on it. */

export interface Scale {
  readonly at: (value: number) => number
  ticks: readonly Tick[]
}

interface Tick {
  value: number
  text: string
}

/** A scale still to be laid between two places. */
export type ScaleBetween = (from: number, until: number) => Scale

type Domain = readonly [least: number, most: number]

/** As many ticks as stand well on the axis. */
const PIXELS_PER_TICK = { across: 70, up: 44 } as const

export function linear([least, most]: Domain, text: (value: number) => string = plain): ScaleBetween {
  return (from, until) => {
    const span = most - least || 1
    const wanted = Math.abs(until - from) / (until > from ? PIXELS_PER_TICK.across : PIXELS_PER_TICK.up)
    const step = niceStep(span / Math.max(1, wanted))
    const ticks: Tick[] = []
    for (let index = Math.ceil(least / step - 1e-9); index * step <= most + span * 1e-9; index++) {
      const value = Number((index * step).toPrecision(12))
      ticks.push({ value, text: text(value) })
    }
    return { at: (value) => from + ((value - least) / span) * (until - from), ticks }
  }
}

/** From zero to a round number. */
export function fromZero(most: number): Domain {
  const step = niceStep((most || 1) / 5)
  return [0, Math.ceil((most || 1) / step) * step]
}

/** @param domain both positive */
export function logarithmic([least, most]: Domain): ScaleBetween {
  return (from, until) => {
    const [low, high] = [Math.log10(least), Math.log10(most)]
    const span = high - low || 1
    const decadePixels = Math.abs(until - from) / span
    const digits = decadePixels > 130 ? [1, 2, 5] : decadePixels > 60 ? [1, 3] : [1]
    const ticks: Tick[] = []
    for (let power = Math.floor(low); power <= Math.ceil(high); power++) {
      for (const digit of digits) {
        const value = Number((digit * 10 ** power).toPrecision(3))
        const exponent = Math.log10(value)
        if (exponent >= low - 1e-9 && exponent <= high + 1e-9) ticks.push({ value, text: plain(value) })
      }
    }
    return { at: (value) => from + ((Math.log10(value) - low) / span) * (until - from), ticks }
  }
}

/** The next 1, 2 or 5 outside of all values. */
export function roundDomain(values: readonly number[]): Domain {
  const positive = values.filter((value) => value > 0)
  if (positive.length === 0) return [1, 10]
  const least = roundOutward(Math.min(...positive), Math.floor)
  const most = roundOutward(Math.max(...positive), Math.ceil)
  return least < most ? [least, most] : [least / 2, most * 2]
}

function roundOutward(value: number, direction: typeof Math.floor): number {
  const power = 10 ** Math.floor(Math.log10(value))
  const digit = value / power
  const steps = [1, 2, 5, 10]
  const up = steps.find((step) => step >= digit - 1e-9) as number
  const down = steps.findLast((step) => step <= digit + 1e-9) as number
  return Number(((direction === Math.ceil ? up : down) * power).toPrecision(3))
}

/**
 * Percentiles by 1 ÷ (1 − p): each further nine is as wide as the one before, so that the slowest few are seen.
 *
 * @param most the highest percentile, below 100
 */
export function nines(least: number, most: number): ScaleBetween {
  return (from, until) => {
    const [low, high] = [ninesOf(least), ninesOf(most)]
    const span = high - low || 1
    const ticks = [50, 90, 99, 99.9, 99.99, 99.999]
      .filter((value) => value > least && ninesOf(value) <= high + 1e-9)
      .map((value) => ({ value, text: `${value} %` }))
    return { at: (value) => from + ((ninesOf(value) - low) / span) * (until - from), ticks }
  }
}

/** How many nines a percentile has: 1 for 90, 2 for 99. */
function ninesOf(percentile: number): number {
  return -Math.log10(1 - percentile / 100)
}

function niceStep(least: number): number {
  const power = 10 ** Math.floor(Math.log10(least))
  return ([1, 2, 5, 10].find((step) => step * power >= least - 1e-12) as number) * power
}

function plain(value: number): string {
  return value.toLocaleString('en', { maximumSignificantDigits: 4 })
}
