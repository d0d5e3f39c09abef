/**
 * A document as one file of HTML: no network, no script, light and dark as the reader's system is, wide and narrow,
 * on paper too. Each chart is drawn twice, for wide and for narrow screens, since letters must not shrink with the
 * lines; the style shows one of them, and hides the other from everybody.
 */
import { alignment, cellText, headText, tone } from './cells.ts'
import { chartData, type Chart } from './chart-data.ts'
import { lineCurves, percentileCurves } from './curves.ts'
import type { Document, Table, Text } from './document.ts'
import { heatMap } from './heat-map.ts'
import { Markup, markup, NOTHING } from './markup.ts'
import { DRAWING_STYLE, Palette, paletteStyle, style } from './palette.ts'
import type { Drawing } from './plot.ts'
import { STYLESHEET } from './stylesheet.ts'
import { timeline } from './timeline.ts'
import { waterfall } from './waterfall.ts'

/** In pixels: beside another, alone, and on a phone. */
const WIDTHS = { half: 560, full: 940, narrow: 358 } as const

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

/** Charts that follow one another stand in a grid, the others on their own. */
function sections(blocks: Document['blocks'], palette: Palette): Markup[] {
  const shown: Markup[] = []
  let row: (Chart & { kind: 'percentiles' | 'lines' })[] = []
  const flush = (): void => {
    const width = row.length === 1 ? WIDTHS.full : WIDTHS.half
    // An odd one takes the whole width, and comes first: what is seen first matters most.
    const odd = row.length % 2 === 1 ? row.slice(0, 1) : []
    const charts = row.map((chart) => figure(chart, odd.includes(chart) ? WIDTHS.full : width, palette))
    if (charts.length > 0) shown.push(markup`<div class="charts">${charts}</div>`)
    row = []
  }
  blocks.forEach((block, index) => {
    if (block.kind === 'percentiles' || block.kind === 'lines') {
      row.push(block)
      return
    }
    flush()
    if (block.kind === 'text') shown.push(text(block, index === 0))
    else if (block.kind === 'table') shown.push(table(block))
    else shown.push(figure(block, WIDTHS.full, palette))
  })
  flush()
  return shown
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
    (column, index) => markup`<th scope="col" class="${sides[index]}">${headText(column)}</th>`,
  )
  const body = rows.map((row, atRow) => {
    const isNext = atRow > 0 && row[0] !== rows[atRow - 1]?.[0]
    const shown = columns.map((column, index) => {
      const words = cellText(row[index], column)
      const found = tone(column, words)
      if (index === 0) return markup`<th scope="row" class="${sides[index]}">${words}</th>`
      return markup`<td class="${sides[index]}${found === undefined ? '' : ` ${found}`}">${words}</td>`
    })
    return markup`<tr${new Markup(isNext && isGrouped(rows) ? ' class="next"' : '')}>${shown}</tr>`
  })
  return markup`<div class="scroll" role="region" tabindex="0" aria-label="${name}"><table><thead><tr>${head}</tr></thead><tbody>${body}</tbody></table></div>`
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

function draw(chart: Chart, width: number, palette: Palette): Drawing {
  switch (chart.kind) {
    case 'percentiles':
      return percentileCurves(chart, width, palette)
    case 'lines':
      return lineCurves(chart, width, palette)
    case 'heatmap':
      return heatMap(chart, width)
    case 'timeline':
      return timeline(chart, width, palette)
    case 'waterfall':
      return waterfall(chart, width, palette)
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
