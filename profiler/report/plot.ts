/** What drawings have in common: the paper, the grid with its ticks, and the space that a text takes. */
import { markup, type Markup } from './markup.ts'
import type { Scale } from './scale.ts'

/** A drawing, and the key to it where its lines have no room for their names. */
export interface Drawing {
  svg: Markup
  legend: readonly LegendEntry[]
}

interface LegendEntry {
  name: string
  /** Of the palette. */
  colour: string
  theory?: boolean
}

export interface Area {
  left: number
  top: number
  right: number
  bottom: number
}

const TICK_HEIGHT = 12

/** Of a text in 12 px; a little more than it is in any common font. */
export function textWidth(text: string): number {
  return text.length * 7
}

/** To a tenth of a pixel. */
export function px(place: number): number {
  return Math.round(place * 10) / 10
}

export function svg(width: number, height: number, name: string, content: readonly Markup[]): Markup {
  return markup`<svg viewBox="0 0 ${width} ${px(height)}" role="img" aria-label="${name}">${content}</svg>`
}

/** The grid behind a drawing; names of the axes stand at their ends, where nothing has to be turned to be read. */
export function grid(area: Area, x: Scale, y: Scale, names: { x: string; y: string }): Markup {
  const across = y.ticks.map(
    ({ value, text }) =>
      markup`<path class="grid" d="M${area.left} ${px(y.at(value))}H${area.right}"/><text x="${area.left - 8}" y="${px(y.at(value) + 4)}" text-anchor="end">${text}</text>`,
  )
  const up = withRoom(x, area).map(
    ({ value, text }) =>
      markup`<path class="grid" d="M${px(x.at(value))} ${area.top}V${area.bottom}"/><text x="${px(x.at(value))}" y="${area.bottom + 18}" text-anchor="middle">${text}</text>`,
  )
  return markup`${across}${up}<path class="axis" d="M${area.left} ${area.bottom}H${area.right}"/><text x="0" y="${TICK_HEIGHT}">${names.y}</text><text x="${area.right}" y="${area.bottom + 36}" text-anchor="end">${names.x}</text>`
}

/** Ticks whose texts do not touch. */
function withRoom({ at, ticks }: Scale, { left }: Area): Scale['ticks'] {
  let free = left - 20
  return ticks.filter(({ value, text }) => {
    const half = textWidth(text) / 2
    if (at(value) - half < free) return false
    free = at(value) + half + 6
    return true
  })
}

/** Places that keep their order and a distance, each as near as it can be to its own. */
export function spread(wanted: readonly number[], distance: number, least: number, most: number): number[] {
  const order = wanted
    .map((_, index) => index)
    .toSorted((a, b) => (wanted[a] as number) - (wanted[b] as number))
  const places = order.map((index) => Math.min(most, Math.max(least, wanted[index] as number)))
  for (let index = 1; index < places.length; index++) {
    places[index] = Math.max(places[index] as number, (places[index - 1] as number) + distance)
  }
  // What has been pushed out at the end pushes back.
  let limit = most
  for (let index = places.length - 1; index >= 0; index--) {
    places[index] = Math.min(places[index] as number, limit)
    limit = (places[index] as number) - distance
  }
  const result: number[] = []
  order.forEach((index, place) => (result[index] = places[place] as number))
  return result
}
