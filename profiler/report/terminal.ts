/** A document as a terminal shows it, and as it can be pasted into Markdown. */
import { styleText } from 'node:util'
import { table } from './table.ts'
import { alignment, cellText, headText, tone, type Tone } from './cells.ts'
import type { Block, Document, Table, Text } from './document.ts'

/** How {@link toTerminal} shows a document. */
export interface TerminalSettings {
  /** Whether verdicts are coloured and titles are bold, with ANSI escape codes. */
  colours: boolean
  /** In characters. `Infinity` where nothing limits it: tables are not cut then, and prose has 116. */
  width: number
}

/** The width of a terminal, in characters. Infinity for a stream that is none, or whose `columns` are 0: not known. */
export function widthOf({ isTTY, columns }: { isTTY?: boolean; columns?: number }): number {
  return isTTY === true && columns !== undefined && columns > 0 ? columns : Infinity
}

/** How documents are shown on stdout: without colours where NO_COLOR is set (https://no-color.org). */
export const ofStdout = (): TerminalSettings => ({
  colours: process.stdout.isTTY && (process.env['NO_COLOR'] ?? '') === '',
  width: widthOf(process.stdout),
})

/** Longer lines of prose are hard to read. */
const LONGEST_LINE = 116
/** A cell of text is not cut further. */
const NARROWEST_CELL = 10

type Paint = (style: 'red' | 'yellow' | 'green' | 'bold', text: string) => string

const COLOURS: Record<Tone, 'red' | 'yellow' | 'green'> = { bad: 'red', unsure: 'yellow', good: 'green' }

/**
 * A document as text: texts and tables in their order; charts are named. The text that opens the document, its summary,
 * stands last, since the end is what a terminal shows first.
 *
 * @example
 * process.stdout.write(toTerminal(report.document, { colours: false, width: 120 }))
 */
export function toTerminal(document: Document, { colours, width }: TerminalSettings): string {
  const paint: Paint = (style, text) => (colours ? styleText(style, text, { validateStream: false }) : text)
  const wrap = (text: string, indent = ''): string => wrapped(text, Math.min(width, LONGEST_LINE), indent)
  const [summary, ...others] =
    document.blocks[0]?.kind === 'text' ? document.blocks : [undefined, ...document.blocks]

  const showText = ({ heading, text }: Text): string => {
    const paragraphs = text.split('\n').map((line) => wrap(line))
    return [...(heading === undefined ? [] : [paint('bold', heading)]), ...paragraphs].join('\n')
  }
  const showTable = (block: Table): string => {
    const { notes } = block
    const shown = [paint('bold', wrap(block.title)), tableText(block, width, paint)]
    if (notes.length > 0) shown.push(notes.map((note) => wrap(`- ${note}`, '  ')).join('\n'))
    return shown.join('\n\n')
  }
  const parts = [[paint('bold', wrap(document.title)), wrap(machine(document))].join('\n')]
  const drawn: string[] = []
  for (const block of others) {
    if (block === undefined) continue
    if (block.kind === 'text') parts.push(showText(block))
    else if (block.kind === 'table') parts.push(showTable(block))
    else drawn.push(nameOf(block))
  }
  if (drawn.length > 0) parts.push(wrap(`See the HTML file (--html FILE) for: ${drawn.join('; ')}.`))
  if (summary?.kind === 'text') parts.push(showText(summary))
  return `${parts.join('\n\n')}\n`
}

function machine({ environment }: Document): string {
  return environment.map(([name, value]) => `${name} ${value}`).join(', ')
}

/** Titles are sentences; in a list of them their full stops are too many. */
function nameOf({ title }: Exclude<Block, Text>): string {
  return title.replace(/\.$/, '')
}

function tableText(block: Table, width: number, paint: Paint): string {
  const { columns, rows } = block
  const titles = columns.map(headText)
  const texts = rows.map((row) => columns.map((column, index) => cellText(row[index], column)))
  const widths = fitting(block, titles, texts, width)
  return table(
    titles.map((title, index) => ({ title, align: alignment(block, index) })),
    texts.map((row) =>
      row.map((text, index) => {
        const shown = cut(text, widths[index] as number)
        const found = tone(columns[index] as Table['columns'][number], text)
        return found === undefined ? shown : paint(COLOURS[found], shown)
      }),
    ),
  )
}

/** The widths of the columns: as wide as their texts, but the longest texts give way where the line is too long. */
function fitting(
  block: Table,
  titles: readonly string[],
  texts: readonly (readonly string[])[],
  width: number,
): number[] {
  const least = titles.map((title, index) =>
    alignment(block, index) === 'right' ? Infinity : Math.max(title.length, NARROWEST_CELL),
  )
  const widths = titles.map((title, index) =>
    Math.max(title.length, ...texts.map((row) => (row[index] as string).length)),
  )
  const borders = 3 * titles.length + 1
  for (;;) {
    const tooMuch = widths.reduce((sum, one) => sum + one, borders) - width
    if (tooMuch <= 0) return widths
    const candidates = widths.map((one, index) => (one > (least[index] as number) ? one : 0))
    const widest = Math.max(...candidates)
    if (widest === 0) return widths
    widths[candidates.indexOf(widest)] = widest - 1
  }
}

/** Cut at the end, where it is missed least. */
function cut(text: string, width: number): string {
  return text.length <= width ? text : `${text.slice(0, width - 1).trimEnd()}…`
}

/** A word that is longer than a line stays whole: it may be a path or a command. */
function wrapped(text: string, width: number, indent: string): string {
  const lines: string[] = []
  let line = ''
  for (const word of text.split(' ')) {
    const longer = line === '' ? word : `${line} ${word}`
    if (longer.length > width && line.trim() !== '') {
      lines.push(line)
      line = indent + word
    } else line = longer
  }
  return [...lines, line].join('\n')
}
