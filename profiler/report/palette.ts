/**
 * Colours that differ for any kind of colour vision, in light and in dark: their lightness and their hue
 * differ, and every one has a contrast of at least 4.5 : 1 to the page, since texts are written in them.
 */
import { Markup } from './markup.ts'

const COLOURS: readonly (readonly [light: string, dark: string])[] = [
  ['#0b62b8', '#6cb4ff'],
  ['#b3430a', '#ff9e6d'],
  ['#5b6470', '#a9b4c0'],
  ['#0a7360', '#4fd1ae'],
  ['#86368f', '#dc9ff0'],
  ['#836000', '#e6b93f'],
  ['#a8264e', '#ff8fae'],
]

const TONES = {
  page: ['#ffffff', '#15181d'],
  ink: ['#1a1e24', '#e7eaee'],
  muted: ['#57606b', '#a3adb8'],
  grid: ['#e4e7eb', '#2c323a'],
  panel: ['#f5f7f9', '#1d2127'],
  good: ['#0a6b3d', '#5fd699'],
  bad: ['#b3261e', '#ff8f86'],
  unsure: ['#7a5600', '#e9bd4a'],
} as const

function variables(mode: 0 | 1): string {
  const tones = Object.entries(TONES).map(([name, colours]) => `--${name}:${colours[mode]}`)
  return [...tones, ...COLOURS.map((colours, index) => `--c${index}:${colours[mode]}`)].join(';')
}

/** @param root what the variables are set on */
export function paletteStyle(root: string): string {
  const classes = COLOURS.map((_, index) => `.c${index}{color:var(--c${index})}`).join('')
  return `${root}{${variables(0)}}@media screen and (prefers-color-scheme:dark){${root}{${variables(1)}}}${classes}`
}

/** For what is drawn, inside a page or a file of its own. */
export const DRAWING_STYLE = `
svg text{font-size:12px;fill:var(--muted);font-variant-numeric:tabular-nums}
svg text.label{fill:currentColor;font-weight:600}
svg text.ink{fill:var(--ink)}
.grid{stroke:var(--grid);fill:none}
.axis{stroke:var(--muted);fill:none}
.line{stroke:currentColor;stroke-width:2;fill:none;stroke-linejoin:round;stroke-linecap:round}
.theory{stroke-dasharray:5 5;stroke-width:1.5;stroke-linecap:butt}
.leader{stroke:currentColor;stroke-width:1;stroke-dasharray:1 3;fill:none}
.dot{fill:currentColor;stroke:var(--page);stroke-width:1.5}
.hit{fill:transparent}
.fill{fill:currentColor}
`

/** One colour for each name, the same in all drawings of a document. */
export class Palette {
  readonly #byName = new Map<string, number>()

  /** @returns a class; names beyond the colours begin again with the first */
  classOf(name: string): string {
    let index = this.#byName.get(name)
    if (index === undefined) {
      index = this.#byName.size % COLOURS.length
      this.#byName.set(name, index)
    }
    return `c${index}`
  }

  /** A series of theory has the colour of the measured one whose name it begins with: `inline by theory`. */
  classOfTheory(name: string): string {
    const measured = [...this.#byName.keys()]
      .filter((known) => name.startsWith(known))
      .toSorted((one, other) => other.length - one.length)[0]
    return this.classOf(measured ?? name)
  }
}

export function style(...parts: readonly string[]): Markup {
  return new Markup(`<style>${parts.join('').replaceAll('\n', '')}</style>`)
}
