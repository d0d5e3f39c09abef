/** A table of text, for a terminal. */
import { stripVTControlCharacters } from 'node:util'

/** A column of text, to the left, or of numbers, to the right. */
interface Column {
  title: string
  align: 'left' | 'right'
}

/** Aligned for a terminal; pasted into Markdown it is a table too. Cells may be coloured. */
export function table(columns: readonly Column[], rows: readonly (readonly string[])[]): string {
  const widths = columns.map(({ title }, index) =>
    Math.max(title.length, ...rows.map((row) => visibleLength(row[index] ?? ''))),
  )
  const line = (cells: readonly string[]): string => {
    const padded = columns.map(({ align }, index) => {
      const cell = cells[index] ?? ''
      const padding = ' '.repeat((widths[index] as number) - visibleLength(cell))
      return align === 'left' ? cell + padding : padding + cell
    })
    return `| ${padded.join(' | ')} |`
  }
  const rule = columns.map(({ align }, index) => {
    const dashes = '-'.repeat((widths[index] as number) + (align === 'left' ? 2 : 1))
    return align === 'left' ? dashes : `${dashes}:`
  })
  return [line(columns.map(({ title }) => title)), `|${rule.join('|')}|`, ...rows.map(line)].join('\n')
}

function visibleLength(cell: string): number {
  return stripVTControlCharacters(cell).length
}
