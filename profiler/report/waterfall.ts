/** Connections one below another: how long each phase took, and when events came. */
import { numberText } from './cells.ts'
import type { Waterfall } from './document.ts'
import { markup } from './markup.ts'
import type { Palette } from './palette.ts'
import { grid, px, svg, textWidth, type Area, type Drawing } from './plot.ts'
import { fromZero, linear } from './scale.ts'

const BAR_HEIGHT = 12

export function waterfall({ title, rows }: Waterfall, width: number, palette: Palette): Drawing {
  const labelWidth = Math.max(0, ...rows.map(({ label }) => textWidth(label)))
  // A long label stands above its bar, where it takes no room from it.
  const isBeside = labelWidth <= width * 0.3
  const rowHeight = isBeside ? 22 : 34
  const area: Area = { left: isBeside ? labelWidth + 12 : 0, top: 12, right: width - 14, bottom: 0 }
  area.bottom = area.top + rows.length * rowHeight + 4
  const times = rows.flatMap(({ phases, marksMs }) => [...phases.map(({ untilMs }) => untilMs), ...marksMs])
  const x = linear(fromZero(Math.max(1, ...times)))(area.left, area.right)
  const phaseNames = [...new Set(rows.flatMap(({ phases }) => phases.map(({ name }) => name)))]
  const colourOf = new Map(phaseNames.map((name) => [name, palette.classOf(name)]))

  const bars = rows.map(({ label, phases, marksMs }, index) => {
    const top = area.top + index * rowHeight + rowHeight - BAR_HEIGHT - 4
    const name = isBeside
      ? markup`<text class="ink" x="${area.left - 10}" y="${top + 10}" text-anchor="end">${label}</text>`
      : markup`<text class="ink" x="0" y="${top - 4}">${label}</text>`
    const drawn = phases.map(({ name: phase, fromMs, untilMs }) => {
      const wide = Math.max(1, px(x.at(untilMs) - x.at(fromMs)))
      return markup`<rect class="${colourOf.get(phase)} fill phase" x="${px(x.at(fromMs))}" y="${top}" width="${wide}" height="${BAR_HEIGHT}"><title>${phase}: ${numberText(untilMs - fromMs)} ms</title></rect>`
    })
    const marks = marksMs.map((ms) => `M${px(x.at(ms))} ${top - 3}v${BAR_HEIGHT + 6}`).join('')
    return markup`${name}${drawn}${marks === '' ? undefined : markup`<path class="mark" d="${marks}"/>`}`
  })
  const named = phaseNames.join(', ')
  return {
    svg: svg(width, area.bottom + 42, `${title} ${rows.length} connections; phases: ${named}.`, [
      grid(area, x, { at: () => 0, ticks: [] }, { x: 'ms since the intended start', y: '' }),
      ...bars,
    ]),
    legend: phaseNames.map((name) => ({ name, colour: colourOf.get(name) as string })),
  }
}
