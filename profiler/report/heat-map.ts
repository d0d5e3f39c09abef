/** How many samples fell into each cell, the stronger its colour the more. */
import { numberText } from './cells.ts'
import { axisName } from './curves.ts'
import type { HeatMap } from './document.ts'
import { markup } from './markup.ts'
import { grid, px, svg, type Area, type Drawing } from './plot.ts'
import { linear, logarithmic, type Scale } from './scale.ts'

/** More shades cannot be distinguished. */
const SHADES = 5

export function heatMap({ title, x, y, columns, rows, counts }: HeatMap, width: number): Drawing {
  const height = Math.round(Math.min(360, Math.max(260, width * 0.4)))
  const area: Area = { left: 48, top: 40, right: width - 14, bottom: height - 42 }
  const across = linear(ends(columns))(area.left, area.right)
  const [least, most] = ends(rows)
  const up = (least > 0 ? logarithmic([least, most]) : linear([least, most]))(area.bottom, area.top)
  const highest = Math.max(1, ...counts.flat())
  const shades = shadesOf(highest)
  // One path for all cells of a shade keeps the file small.
  const paths = shades.map(() => '')
  counts.forEach((column, atX) =>
    column.forEach((count, atY) => {
      if (count === 0) return
      const shade = shades.findIndex((until) => count <= until)
      const [left, right] = between(across, columns, atX)
      const [bottom, top] = between(up, rows, atY)
      paths[shade] += `M${left} ${bottom}V${top}H${right}V${bottom}z`
    }),
  )
  const cells = paths.map(
    (path, shade) =>
      markup`<path class="c0 fill" fill-opacity="${opacity(shade, shades.length)}" d="${path}"/>`,
  )
  const key = shades.map((until, shade) => {
    const left = width - 14 - (shades.length - shade) * 52
    return markup`<rect class="c0 fill" fill-opacity="${opacity(shade, shades.length)}" x="${left}" y="3" width="12" height="12"/><text x="${left + 16}" y="13">≤ ${numberText(until)}</text>`
  })
  const samples = counts.flat().reduce((sum, count) => sum + count, 0)
  return {
    svg: svg(width, height, `${title} Heat map of ${numberText(samples)} samples.`, [
      grid(area, across, up, { x: axisName(x), y: '' }),
      markup`<text x="0" y="32">${axisName(y)}</text>`,
      ...cells,
      ...key,
    ]),
    legend: [],
  }
}

function ends(bounds: readonly number[]): [number, number] {
  return [bounds[0] ?? 0, bounds.at(-1) ?? 1]
}

/** With a gap of half a pixel to the next, which shows the cells. */
function between({ at }: Scale, bounds: readonly number[], index: number): [number, number] {
  const [from, until] = [at(bounds[index] as number), at(bounds[index + 1] as number)]
  const gap = Math.sign(until - from) * 0.5
  return [px(from + gap), px(until)]
}

/** The upper bounds of the shades, each some times the one before. */
function shadesOf(highest: number): number[] {
  const bounds = Array.from({ length: SHADES }, (_, index) =>
    Math.max(1, Math.round(highest ** ((index + 1) / SHADES))),
  )
  return [...new Set(bounds)]
}

function opacity(shade: number, shades: number): number {
  return Math.round((0.25 + (0.75 * (shade + 1)) / shades) * 100) / 100
}
