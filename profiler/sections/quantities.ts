/** Quantities as they stand in sentences and cells: counts, shares and times in ms. */
import { numberText } from '../report/cells.ts'

export const count = (value: number): string => value.toLocaleString('en')

export const times = (value: number): string => (value === 1 ? 'once' : `${count(value)} times`)

export const share = (value: number): string => {
  if (Number.isNaN(value)) return '–'
  const percent = value * 100
  return `${percent > 99.9 && percent < 100 ? percent.toFixed(3) : numberText(percent)} %`
}

export function ms(value: number | undefined): string {
  if (value === undefined || Number.isNaN(value)) return '–'
  return value >= 10_000 ? `${numberText(value / 1_000)} s` : `${numberText(value)} ms`
}

/** A cell of a table: empty where there is no number, ∞ for a percentile among failures. */
export function finite(value: number | undefined): string | number | undefined {
  if (value === undefined || Number.isNaN(value)) return undefined
  return value === Infinity ? '∞' : value
}
