/** HTML and SVG whose texts are escaped by construction: what is not {@link Markup} already is text. */

export class Markup {
  readonly source: string

  constructor(source: string) {
    this.source = source
  }

  toString(): string {
    return this.source
  }
}

type Value = Markup | string | number | undefined | readonly Markup[]

/** A template: texts and numbers in it are escaped, for elements and for quoted attributes alike. */
export function markup(strings: TemplateStringsArray, ...values: readonly Value[]): Markup {
  let source = strings[0] as string
  values.forEach((value, index) => {
    source += sourceOf(value) + (strings[index + 1] as string)
  })
  return new Markup(source)
}

export const NOTHING: Markup = new Markup('')

function sourceOf(value: Value): string {
  if (value === undefined) return ''
  if (value instanceof Markup) return value.source
  if (typeof value === 'string') return escaped(value)
  if (typeof value === 'number') return String(value)
  return value.map(({ source }) => source).join('')
}

const ENTITIES: Record<string, string> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
}

function escaped(text: string): string {
  return text.replaceAll(/[&<>"']/g, (character) => ENTITIES[character] as string)
}
