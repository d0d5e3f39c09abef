/** Shares of time over time, and incidents where they were. */
import { numberText } from './cells.ts'
import { pathOf } from './curves.ts'
import type { Timeline } from './document.ts'
import { markup } from './markup.ts'
import type { Palette } from './palette.ts'
import { grid, px, spread, svg, textWidth, type Area, type Drawing } from './plot.ts'
import { linear } from './scale.ts'

const LANE_HEIGHT = 16
const MOST_LANES = 3
const LABEL_DISTANCE = 15

export function timeline(
  { title, series: given, incidents }: Timeline,
  width: number,
  palette: Palette,
): Drawing {
  const series = given.filter(({ points }) => points.length > 0)
  const colours = series.map(({ name }) => palette.classOf(name))
  const labelWidth = Math.max(0, ...series.map(({ name }) => textWidth(name)))
  const isLabelled = labelWidth <= width * 0.25
  const lanesHeight = incidents.length === 0 ? 0 : MOST_LANES * LANE_HEIGHT
  const height = Math.round(Math.min(260, Math.max(210, width * 0.3))) + lanesHeight
  const area: Area = {
    left: 48,
    top: 26 + lanesHeight,
    right: isLabelled ? Math.floor(width - labelWidth - 26) : width - 14,
    bottom: height - 42,
  }
  const times = [
    ...series.flatMap(({ points }) => points.map(([seconds]) => seconds)),
    ...incidents.flatMap(({ atSeconds, forMs }) => [atSeconds, atSeconds + forMs / 1_000]),
  ]
  const x = linear([Math.min(0, ...times), Math.max(1, ...times)])(area.left, area.right)
  const y = linear([0, 1], (share) => `${Math.round(share * 100)} %`)(area.bottom, area.top)

  // Labels of incidents stand above one another, as long as there is room: all of them are in the table.
  const free = Array.from({ length: MOST_LANES }, () => 0)
  const marks = incidents.map(({ atSeconds, forMs, label }) => {
    const from = px(x.at(atSeconds))
    const wide = Math.max(2, px(x.at(atSeconds + forMs / 1_000) - from))
    const text = `${label}, ${numberText(forMs)} ms`
    const left = Math.min(from, width - textWidth(text))
    const lane = left < 0 ? -1 : free.findIndex((until) => until <= left)
    if (lane >= 0) free[lane] = left + textWidth(text) + 8
    const baseline = 26 + lanesHeight - 4 - lane * LANE_HEIGHT
    const named = markup`<text class="incident-name" x="${px(left)}" y="${baseline}">${text}</text>`
    return markup`<rect class="incident" x="${from}" y="${area.top}" width="${wide}" height="${area.bottom - area.top}"><title>${text}</title></rect>${lane >= 0 ? named : undefined}`
  })
  const lines = series.map(
    ({ points }, index) => markup`<path class="line ${colours[index]}" d="${pathOf(points, x, y)}"/>`,
  )
  const ends = series.map(({ points }) => y.at(points.at(-1)?.[1] ?? 0))
  const places = spread(ends, LABEL_DISTANCE, area.top, area.bottom)
  const labels = series.map(
    ({ name }, index) =>
      markup`<g class="${colours[index]}"><path class="leader" d="M${area.right + 2} ${px(ends[index] as number)}L${area.right + 18} ${px(places[index] as number)}"/><text class="label" x="${area.right + 22}" y="${px((places[index] as number) + 4)}">${name}</text></g>`,
  )
  const named = series.map(({ name }) => name).join(', ')
  return {
    svg: svg(width, height, `${title} Lines: ${named}. Incidents: ${incidents.length}.`, [
      grid(area, x, y, { x: 's', y: 'share of time' }),
      ...marks,
      ...lines,
      ...(isLabelled ? labels : []),
    ]),
    legend: isLabelled ? [] : series.map(({ name }, index) => ({ name, colour: colours[index] as string })),
  }
}
