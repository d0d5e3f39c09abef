/** Shares of time over time, and incidents where they were. */
import { incidentText } from './cells.ts'
import { pathOf } from './curves.ts'
import type { Timeline } from './document.ts'
import { markup } from './markup.ts'
import type { Palette } from './palette.ts'
import { grid, px, spread, svg, textWidth, type Area, type Drawing } from './plot.ts'
import { linear, type Scale } from './scale.ts'

const LANE_HEIGHT = 16
const MOST_LANES = 3
const LABEL_DISTANCE = 15

interface Placed {
  text: string
  left: number
  /** 0 is next to the plot; undefined where there was no room. */
  lane: number | undefined
}

export function timeline(
  { title, series: given, incidents }: Timeline,
  width: number,
  palette: Palette,
): Drawing {
  const series = given.filter(({ points }) => points.length > 0)
  const colours = series.map(({ name }) => palette.classOf(name))
  const labelWidth = Math.max(0, ...series.map(({ name }) => textWidth(name)))
  const isLabelled = labelWidth <= width * 0.25
  const left = 48
  const right = isLabelled ? Math.floor(width - labelWidth - 26) : width - 14
  const times = [
    ...series.flatMap(({ points }) => points.map(([seconds]) => seconds)),
    ...incidents.flatMap(({ atSeconds, forMs }) => [atSeconds, atSeconds + forMs / 1_000]),
  ]
  const x = linear([Math.min(0, ...times), Math.max(1, ...times)])(left, right)
  const placed = place(incidents, x, width)
  const lanesHeight = Math.max(0, ...placed.map(({ lane }) => (lane ?? -1) + 1)) * LANE_HEIGHT
  const height = Math.round(Math.min(260, Math.max(210, width * 0.3))) + lanesHeight
  const area: Area = { left, top: 26 + lanesHeight, right, bottom: height - 42 }
  const y = linear([0, 1], (share) => `${Math.round(share * 100)} %`)(area.bottom, area.top)

  const marks = incidents.map(({ atSeconds, forMs }, index) => {
    const { text, left: textLeft, lane } = placed[index] as Placed
    const from = px(x.at(atSeconds))
    const wide = Math.max(2, px(x.at(atSeconds + forMs / 1_000) - from))
    const band = markup`<rect class="incident" x="${from}" y="${area.top}" width="${wide}" height="${area.bottom - area.top}"><title>${text}</title></rect>`
    if (lane === undefined) return band
    const baseline = area.top - 5 - lane * LANE_HEIGHT
    const stem = markup`<path class="stem" d="M${from + 0.5} ${area.top}V${baseline + 2}"/>`
    return markup`${band}${stem}<text class="incident-name" x="${px(textLeft)}" y="${baseline}">${text}</text>`
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
      grid(area, x, y, { x: 'time, s', y: 'share of time' }),
      ...marks,
      ...lines,
      ...(isLabelled ? labels : []),
    ]),
    legend: isLabelled ? [] : series.map(({ name }, index) => ({ name, colour: colours[index] as string })),
  }
}

/** Labels of incidents stand above one another, as long as there is room: all of them are in the table. */
function place(incidents: Timeline['incidents'], x: Scale, width: number): Placed[] {
  const free = Array.from({ length: MOST_LANES }, () => 0)
  return incidents.map((incident) => {
    const text = incidentText(incident)
    const left = Math.min(x.at(incident.atSeconds), width - textWidth(text))
    const lane = left < 0 ? -1 : free.findIndex((until) => until <= left)
    if (lane < 0) return { text, left, lane: undefined }
    free[lane] = left + textWidth(text) + 8
    return { text, left, lane }
  })
}
