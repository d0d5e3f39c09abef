/** The README's picture: the first byte by executor in overload, next to a server that has nothing to compute. */
import { numberText } from '../../profiler/report/cells.ts'
import { markup, type Markup } from '../../profiler/report/markup.ts'
import { DRAWING_STYLE, paletteStyle, style } from '../../profiler/report/palette.ts'
import { px } from '../../profiler/report/plot.ts'
import { logarithmic, roundDomain } from '../../profiler/report/scale.ts'
import type { BlockRow } from '../rows/block-row.ts'
import type { Results } from './results.ts'

const WIDTH = 820
/** Around all of it: the page around the picture may be light where the reader's system is dark, so it has a ground. */
const MARGIN = 16
const ROW_HEIGHT = 34
const TOP = 92
/** Of the axis: left of it stand the names, right of it the numbers. */
const [LEFT, RIGHT] = [104, 610]
const [HALF, MOST] = [706, 806]

/** The place in the palette: what is recommended, what it is compared with, and the others. */
const colourOf = ({ contender }: BlockRow): string =>
  contender === 'workers' || contender === 'own' ? 'c0' : contender === 'idle' ? 'c2' : 'c1'

/** As SVG; undefined where it must not be drawn, with the reason on stderr. */
export function pictureOf(results: Results): string | undefined {
  const scenario = results.blocks.find(
    ({ load, firstByteMs }) => load > 1 && firstByteMs.p99 !== undefined,
  )?.scenario
  const rows = results.blocks.filter((row) => row.scenario === scenario)
  const invalid = rows.filter(({ gate, errors }) => gate.failures.length + Object.keys(errors).length > 0)
  const whyNot =
    rows.length === 0
      ? 'there is no row in overload with 1,000 clients (--only block-5ms@1.5 has them)'
      : invalid.length > 0
        ? `a row is INVALID: ${invalid.map(({ executor }) => executor).join(', ')}`
        : undefined
  if (whyNot === undefined) return picture(rows, results)
  process.stderr.write(`--picture: nothing was written, since ${whyNot}\n`)
  return undefined
}

/** @param rows of one scenario, with their p99 */
function picture(rows: readonly BlockRow[], { environment: machine, startedAt }: Results): string {
  const { load = 0, scenario = '' } = rows[0] ?? {}
  const blockMs = /^block-(\d+)ms/.exec(scenario)?.[1]
  const times = rows.map(({ firstByteMs: { p50, p99 = NaN } }) => [p50, p99] as const)
  const x = logarithmic(roundDomain(times.flat()))(LEFT, RIGHT)
  const bottom = TOP + rows.length * ROW_HEIGHT
  const [width, height] = [WIDTH + 2 * MARGIN, bottom + 62 + 2 * MARGIN]
  const title = `When clients get their first byte, at ${load} times what one thread can do`
  const told = rows.map(
    ({ executor }, index) =>
      `${executor} ${numberText(times[index]?.[0] ?? NaN)} and ${numberText(times[index]?.[1] ?? NaN)} ms`,
  )
  const ticks = x.ticks.map(
    ({ value, text }) =>
      markup`<path class="grid" d="M${px(x.at(value))} ${TOP - 8}V${bottom}"/><text x="${px(x.at(value))}" y="${bottom + 18}" text-anchor="middle">${text}</text>`,
  )
  const drawn = rows.map((row, index): Markup => {
    const y = TOP + (index + 0.5) * ROW_HEIGHT - 4
    const [half, most] = times[index] as readonly [number, number]
    const [from, until] = [px(x.at(half)), px(x.at(most))]
    return markup`<g class="${colourOf(row)}"><text class="label" x="0" y="${y + 4}">${row.executor}</text><path class="span" d="M${from} ${y}H${until}"/><circle class="open" cx="${from}" cy="${y}" r="5"/><circle class="dot" cx="${until}" cy="${y}" r="6"/><text class="value" x="${HALF}" y="${y + 4}" text-anchor="end">${numberText(half)} ms</text><text class="label value" x="${MOST}" y="${y + 4}" text-anchor="end">${numberText(most)} ms</text></g>`
  })
  const own = `:root{background:var(--page)}
text{font-family:system-ui,-apple-system,"Segoe UI",Helvetica,Arial,sans-serif}
svg text.title{font-size:17px;font-weight:600}
svg text.label,svg text.value{font-size:14px}
.span{stroke:currentColor;stroke-width:3;stroke-opacity:.45;fill:none}
.open{fill:var(--page);stroke:currentColor;stroke-width:2.5}`
  const footer = `${scenario}: ${rows[0]?.arrivals.toLocaleString('en')} clients each, open loop; headfirst ${machine.headfirst}, Node ${machine.node}, ${machine.cores} cores, ${startedAt.slice(0, 10)}`
  return markup`<svg xmlns="http://www.w3.org/2000/svg" viewBox="${-MARGIN} ${-MARGIN} ${width} ${height}" width="${width}" height="${height}" role="img" aria-label="${`${title}. Half of the clients, and 99 of 100, within: ${told.join(', ')}.`}">${style(paletteStyle(':root'), DRAWING_STYLE, own)}<text class="title ink" x="0" y="20">${title}</text><text x="0" y="42">${blockMs === undefined ? '' : `Each stream computes for ${blockMs} ms. `}On idle, the same server and clients, nothing computes. Time in ms, logarithmic.</text><text x="${HALF}" y="${TOP - 12}" text-anchor="end">○ half within</text><text x="${MOST}" y="${TOP - 12}" text-anchor="end">● 99 % within</text>${ticks}${drawn}<text x="0" y="${bottom + 48}">${footer}</text></svg>
`.source
}
