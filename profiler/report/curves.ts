/** Lines over two axes, each with its name at its end. */
import { numberText } from './cells.ts'
import type { Axis, Lines, Percentiles } from './document.ts'
import { markup, type Markup } from './markup.ts'
import type { Palette } from './palette.ts'
import { grid, px, spread, svg, textWidth, type Area, type Drawing } from './plot.ts'
import { fromZero, linear, logarithmic, nines, roundDomain, type Scale, type ScaleBetween } from './scale.ts'

type Point = readonly [x: number, y: number]

interface Curve {
  name: string
  theory: boolean
  points: readonly Point[]
  /** Those that are marked, with a label where a pointer rests on them. */
  dots: readonly { at: Point; text: string }[]
}

interface Plot {
  width: number
  name: string
  x: ScaleBetween
  y: ScaleBetween
  names: { x: string; y: string }
  curves: readonly Curve[]
}

/** Between the lowest and the highest time, from which on only a logarithmic axis shows both. */
const WIDE_RANGE = 20
const LABEL_DISTANCE = 15
const MOST_LABELS = 8
/** Curves of more points are not marked at each. */
const MOST_DOTS = 12

export function percentileCurves({ title, series }: Percentiles, width: number, palette: Palette): Drawing {
  const curves = series.map(({ name, theory = false, points }): Curve => {
    const drawn = points.filter(([percentile, ms]) => percentile < 100 && Number.isFinite(ms))
    return { name, theory, points: drawn, dots: theory ? [] : dotsOf(name, drawn) }
  })
  const all = curves.flatMap(({ points }) => points)
  const times = all.map(([, ms]) => ms)
  const isWide = Math.min(...times) > 0 && Math.max(...times) / Math.min(...times) > WIDE_RANGE
  const most = Math.max(50, ...all.map(([percentile]) => percentile))
  return plot(
    {
      width,
      name: describe(title, curves),
      x: nines(0, most),
      y: isWide ? logarithmic(roundDomain(times)) : linear(fromZero(Math.max(0, ...times))),
      names: { x: 'percentile', y: isWide ? 'ms, logarithmic' : 'ms' },
      curves,
    },
    palette,
  )
}

/** Of what lies beyond a percentile: so far from it a point still shows it. */
const NEAR = 0.1

/** At the percentiles that people quote. */
function dotsOf(name: string, points: readonly Point[]): Curve['dots'] {
  return [50, 90, 99, 99.9, 99.99].flatMap((percentile) => {
    const at = points.find(([one]) => one >= percentile - 1e-6)
    // Few samples have none there: what stands next to it is another percentile.
    if (at === undefined || at[0] - percentile > (100 - percentile) * NEAR) return []
    return { at, text: `${name}: ${percentile} % within ${numberText(at[1])} ms` }
  })
}

export function lineCurves({ title, x, y, series }: Lines, width: number, palette: Palette): Drawing {
  const curves = series.map(({ name, theory = false, points }): Curve => {
    const drawn = points.filter(([atX, atY]) => hasPlace(x, atX) && hasPlace(y, atY))
    const isMarked = !theory && drawn.length <= MOST_DOTS
    const text = ([atX, atY]: Point): string =>
      `${name}: ${numberText(atY)}${unit(y)} at ${numberText(atX)}${unit(x)}`
    return { name, theory, points: drawn, dots: isMarked ? drawn.map((at) => ({ at, text: text(at) })) : [] }
  })
  const all = curves.flatMap(({ points }) => points)
  const xs = all.map(([atX]) => atX)
  const ys = all.map(([, atY]) => atY)
  return plot(
    {
      width,
      name: describe(title, curves),
      x: x.logarithmic === true ? logarithmic(roundDomain(xs)) : linear([Math.min(...xs), Math.max(...xs)]),
      y: y.logarithmic === true ? logarithmic(roundDomain(ys)) : linear(fromZero(Math.max(0, ...ys))),
      names: { x: axisName(x), y: axisName(y) },
      curves,
    },
    palette,
  )
}

/** A logarithmic axis has no place for zero. */
function hasPlace({ logarithmic: isLogarithmic }: Axis, value: number): boolean {
  return Number.isFinite(value) && (isLogarithmic !== true || value > 0)
}

function unit({ unit: name }: Axis): string {
  return name === undefined ? '' : ` ${name}`
}

export function axisName({ label, unit: name, logarithmic: isLogarithmic }: Axis): string {
  return [label, name, isLogarithmic === true ? 'logarithmic' : undefined]
    .filter((part) => part !== undefined)
    .join(', ')
}

function describe(title: string, curves: readonly Curve[]): string {
  return `${title} Lines: ${curves.map(({ name }) => name).join(', ')}.`
}

function plot({ width, name, x, y, names, curves: given }: Plot, palette: Palette): Drawing {
  const curves = given.filter(({ points }) => points.length > 0)
  for (const one of curves) if (!one.theory) palette.classOf(one.name)
  const colours = curves.map((one) =>
    one.theory ? palette.classOfTheory(one.name) : palette.classOf(one.name),
  )
  const labelWidth = Math.max(0, ...curves.map((one) => textWidth(one.name)))
  const isLabelled = curves.length <= MOST_LABELS && labelWidth <= width * 0.3
  const height = Math.round(Math.min(380, Math.max(280, width * 0.56)))
  const area: Area = {
    left: 48,
    top: 26,
    right: isLabelled ? Math.floor(width - labelWidth - 26) : width - 14,
    bottom: height - 42,
  }
  const [across, up] = [x(area.left, area.right), y(area.bottom, area.top)]
  const drawn = curves.map(({ points, theory }, index) => {
    const path = pathOf(points, across, up)
    return markup`<path class="line ${colours[index]}${theory ? ' theory' : ''}" d="${path}"/>`
  })
  const dots = curves.flatMap((one, index) =>
    one.dots.map(
      ({ at: [atX, atY], text }) =>
        markup`<g class="${colours[index]}"><circle class="dot" cx="${px(across.at(atX))}" cy="${px(up.at(atY))}" r="4"/><circle class="hit" cx="${px(across.at(atX))}" cy="${px(up.at(atY))}" r="11"><title>${text}</title></circle></g>`,
    ),
  )
  return {
    svg: svg(width, height, name, [
      grid(area, across, up, names),
      ...drawn,
      ...dots,
      ...(isLabelled ? labels(curves, colours, across, up, area) : []),
    ]),
    legend: isLabelled
      ? []
      : curves.map((one, index) => ({
          name: one.name,
          theory: one.theory,
          colour: colours[index] as string,
        })),
  }
}

function labels(
  curves: readonly Curve[],
  colours: readonly string[],
  x: Scale,
  y: Scale,
  area: Area,
): Markup[] {
  const ends = curves.map(({ points }) => {
    const [atX, atY] = points.at(-1) as Point
    return [x.at(atX), y.at(atY)] as const
  })
  const places = spread(
    ends.map(([, atY]) => atY),
    LABEL_DISTANCE,
    area.top,
    area.bottom,
  )
  const textLeft = area.right + 22
  return curves.map(({ name }, index) => {
    const [endX, endY] = ends[index] as readonly [number, number]
    const place = places[index] as number
    // From a line that ends early, straight to the edge first.
    const leader = `M${px(endX + 6)} ${px(endY)}H${Math.max(px(endX + 6), area.right + 6)}L${textLeft - 4} ${px(place)}`
    return markup`<g class="${colours[index]}"><path class="leader" d="${leader}"/><text class="label" x="${textLeft}" y="${px(place + 4)}">${name}</text></g>`
  })
}

/** In pixels: a smaller distance from the line is not visible. */
const UNSEEN = 0.3

/** Without the points that make no visible difference, since the line passes there anyway. */
export function pathOf(points: readonly Point[], x: Scale, y: Scale): string {
  const places = points.map(([atX, atY]): Point => [x.at(atX), y.at(atY)])
  return simplified(places)
    .map(([atX, atY], index) => `${index === 0 ? 'M' : 'L'}${px(atX)} ${px(atY)}`)
    .join('')
}

/** Ramer, Douglas and Peucker: the point that is furthest from the line between the ends stays, if it can be seen. */
function simplified(places: readonly Point[]): readonly Point[] {
  const [first, last] = [places[0], places.at(-1)]
  if (first === undefined || last === undefined || places.length < 3) return places
  const [deltaX, deltaY] = [last[0] - first[0], last[1] - first[1]]
  const length = Math.hypot(deltaX, deltaY) || 1
  let [furthest, distance] = [0, 0]
  places.forEach(([atX, atY], index) => {
    const away = Math.abs(deltaX * (first[1] - atY) - deltaY * (first[0] - atX)) / length
    if (away > distance) [furthest, distance] = [index, away]
  })
  if (distance < UNSEEN) return [first, last]
  return [...simplified(places.slice(0, furthest + 1)).slice(0, -1), ...simplified(places.slice(furthest))]
}
