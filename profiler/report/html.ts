/**
 * A document as one file of HTML: no network, no script, light and dark as the reader's system is, wide and narrow,
 * on paper too. Each chart is drawn twice, for wide and for narrow screens, since letters must not shrink with the
 * lines; the style shows one of them, and hides the other, from screen readers too.
 */
import { alignment, cellText, headText, tone } from './cells.ts'
import { chartData, type Chart } from './chart-data.ts'
import { lineCurves, percentileCurves } from './curves.ts'
import type { Document, Table, Text } from './document.ts'
import { heatMap } from './heat-map.ts'
import { markup, NOTHING, type Markup } from './markup.ts'
import { DRAWING_STYLE, Palette, paletteStyle, style } from './palette.ts'
import type { Drawing } from './plot.ts'
import { STYLESHEET } from './stylesheet.ts'
import { timeline } from './timeline.ts'
import { waterfall } from './waterfall.ts'

/** In pixels: beside another, alone, and on a phone. */
const WIDTHS = { half: 560, full: 940, narrow: 358 } as const

/**
 * A document as a page of HTML: all of it, with charts. It needs no network and runs no script.
 *
 * @example
 * await writeFile('report.html', toHtml(report.document))
 */
export function toHtml(document: Document): string {
  const { title, command, startedAt, environment, blocks } = document
  const palette = new Palette()
  const facts = [
    ['started', startedAt.replace('T', ' ').replace(/(\.\d+)?Z$/, ' UTC')] as const,
    ...environment,
  ]
  const page = markup`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width,initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta http-equiv="Content-Security-Policy" content="default-src 'none';style-src 'unsafe-inline'">
<title>${title}</title>
${style(paletteStyle(':root'), STYLESHEET, DRAWING_STYLE)}
</head>
<body>
<main>
<header>
<h1>${title}</h1>
</header>
${sections(blocks, palette)}
</main>
<footer>
<p>Made by <code>${command}</code></p>
<dl>${facts.map(([name, value]) => markup`<div><dt>${name}</dt><dd>${value}</dd></div>`)}</dl>
</footer>
</body>
</html>
`
  return page.source
}

/** Charts of one kind that follow one another stand in a grid, the others on their own. */
function sections(blocks: Document['blocks'], palette: Palette): Markup[] {
  const parts: Markup[] = []
  nameColours(blocks, palette)
  let row: (Chart & { kind: 'percentiles' | 'lines' })[] = []
  const flush = (): void => {
    const charts = row.map((chart, index) => {
      // The last of an odd number would stand alone: it takes the whole width.
      const isAlone = row.length % 2 === 1 && index === row.length - 1
      return figure(chart, isAlone ? WIDTHS.full : WIDTHS.half, palette)
    })
    if (charts.length > 0) parts.push(markup`<div class="charts">${charts}</div>`)
    row = []
  }
  blocks.forEach((block, index) => {
    if (row.length > 0 && row[0]?.kind !== block.kind) flush()
    if (block.kind === 'percentiles' || block.kind === 'lines') row.push(block)
    else if (block.kind === 'text') parts.push(text(block, index === 0))
    else if (block.kind === 'table') parts.push(table(block))
    else parts.push(figure(block, WIDTHS.full, palette))
  })
  flush()
  return parts
}

/** In the order of the chart that has most of them, so that a line that is missing in the first changes no colour. */
function nameColours(blocks: Document['blocks'], palette: Palette): void {
  const charts = blocks.filter((block) => block.kind === 'percentiles' || block.kind === 'lines')
  for (const { series } of charts.toSorted((one, other) => other.series.length - one.series.length)) {
    for (const { name, theory } of series) if (theory !== true) palette.classOf(name)
  }
}

function text({ heading, text: words }: Text, opens: boolean): Markup {
  const title = heading === undefined ? NOTHING : markup`<h2>${heading}</h2>`
  const paragraphs = words.split('\n').filter((line) => line.trim() !== '')
  return markup`<section class="${opens ? 'summary' : 'text'}">${title}${paragraphs.map((line) => markup`<p>${line}</p>`)}</section>\n`
}

function table(block: Table): Markup {
  return markup`<section class="block"><h2>${block.title}</h2>${cells(block, block.title)}${notes(block.notes)}</section>\n`
}

/** In a frame that scrolls where the table is wider than the screen, with the keyboard too. */
function cells(block: Pick<Table, 'columns' | 'rows'>, name: string): Markup {
  const { columns, rows } = block
  const sides = columns.map((_, index) => alignment(block, index))
  const head = columns.map(
    (column, index) => markup`<th scope="col"${classes(sides[index])}>${headText(column)}</th>`,
  )
  const body = rows.map((row, atRow) => {
    const isNext = atRow > 0 && row[0] !== rows[atRow - 1]?.[0]
    const filled = columns.map((column, index) => {
      const words = cellText(row[index], column)
      const found = tone(column, words)
      if (index === 0) return markup`<th scope="row"${classes(sides[index])}>${words}</th>`
      return markup`<td${classes(sides[index], found)}>${words}</td>`
    })
    return markup`<tr${classes(isNext && isGrouped(rows) ? 'next' : undefined)}>${filled}</tr>`
  })
  return markup`<div class="scroll" role="region" tabindex="0" aria-label="${name}"><table><thead><tr>${head}</tr></thead><tbody>${body}</tbody></table></div>`
}

/** Cells are many: those that are as they are by default have no class. */
function classes(...names: readonly (string | undefined)[]): Markup {
  const given = names.filter((name) => name !== undefined && name !== 'right')
  return given.length === 0 ? NOTHING : markup` class="${given.join(' ')}"`
}

/** Whether rows that follow one another share their first cell. */
function isGrouped(rows: Table['rows']): boolean {
  return rows.some((row, index) => index > 0 && row[0] === rows[index - 1]?.[0])
}

function notes(lines: readonly string[]): Markup {
  if (lines.length === 0) return NOTHING
  return markup`<ul class="notes">${lines.map((line) => markup`<li>${line}</li>`)}</ul>`
}

function figure(chart: Chart, width: number, palette: Palette): Markup {
  const { title } = chart
  const isFull = width === WIDTHS.full
  return markup`<figure class="block${isFull ? ' full' : ''}"><figcaption><h2>${title}</h2></figcaption><div class="wide">${shown(draw(chart, width, palette))}</div><div class="narrow">${shown(draw(chart, WIDTHS.narrow, palette))}</div>${notes(chart.notes)}<details><summary>Numbers</summary>${cells(chartData(chart), `Numbers: ${title}`)}</details></figure>\n`
}

/** @param palette of what is measured; threads and phases have colours of their own */
function draw(chart: Chart, width: number, palette: Palette): Drawing {
  switch (chart.kind) {
    case 'percentiles':
      return percentileCurves(chart, width, palette)
    case 'lines':
      return lineCurves(chart, width, palette)
    case 'heatmap':
      return heatMap(chart, width)
    case 'timeline':
      return timeline(chart, width, new Palette())
    case 'waterfall':
      return waterfall(chart, width, new Palette())
    default:
      return chart satisfies never
  }
}

function shown({ svg, legend }: Drawing): Markup {
  if (legend.length === 0) return svg
  const entries = legend.map(
    ({ name, colour, theory = false }) =>
      markup`<li class="${colour}"><span class="key${theory ? ' dashed' : ''}"></span>${name}</li>`,
  )
  return markup`${svg}<ul class="legend">${entries}</ul>`
}
