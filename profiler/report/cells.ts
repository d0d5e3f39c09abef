/** What stands in the cells of a table, the same wherever it is shown. */
import type { Column, Table, Timeline } from './document.ts'

const DIGITS = 3

/** Significant digits, but never fewer than those before the point: 0.123, 12.3, 1,235. */
export function numberText(value: number, digits: number = DIGITS): string {
  if (!Number.isFinite(value)) return '–'
  const size = Math.abs(value)
  const text =
    Number.isInteger(value) || size >= 10 ** (digits - 1)
      ? Math.round(size).toLocaleString('en')
      : size < 1e-6
        ? '0'
        : size.toPrecision(digits)
  return value < 0 ? `−${text}` : text
}

/** Something that has happened; one without a duration is over at once. */
export function incidentText({ label, forMs }: Timeline['incidents'][number]): string {
  return forMs === 0 ? label : `${label}, ${numberText(forMs)} ms`
}

export function headText({ title, unit }: Pick<Column, 'title' | 'unit'>): string {
  return (unit ?? '') === '' ? title : `${title}, ${unit}`
}

/** JSON has no undefined: an empty cell may be null there. */
export function cellText(cell: string | number | null | undefined, column?: Column): string {
  if (cell === undefined || cell === null) return ''
  return typeof cell === 'number' ? numberText(cell, column?.digits) : cell
}

/** Columns of numbers stand right, unless `align` is given. */
export function alignment(
  { columns, rows }: Pick<Table, 'columns' | 'rows'>,
  index: number,
): 'left' | 'right' {
  const given = columns[index]?.align
  if (given !== undefined) return given
  const cells = rows.map((row) => row[index]).filter((cell) => cell !== undefined && cell !== '')
  return cells.some((cell) => typeof cell === 'number') ? 'right' : 'left'
}

export type Tone = 'good' | 'bad' | 'unsure'

const TONES: readonly (readonly [Tone, RegExp])[] = [
  ['bad', /^(invalid|missed|errors?|failed|fails|broken|worse|slower|dearer)\b/i],
  ['unsure', /^(unclear|off theory)\b/i],
  ['good', /^(ok|reached|passed|pass|kept|met|better|faster|cheaper)\b/i],
]

/** Whether a verdict is good or bad; undefined for words that judge nothing, and for all other columns. */
export function tone({ title }: Column, text: string): Tone | undefined {
  if (title !== 'verdict') return undefined
  return TONES.find(([, words]) => words.test(text))?.[0]
}
