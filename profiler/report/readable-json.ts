/** A document as JSON whose results can be read again, with what is infinite in them. */
import type { Document } from './document.ts'
import { toJson as jsonOf } from './json.ts'

/**
 * A document as JSON, as `--json` writes it: {@link fromJson} reads it again.
 *
 * @example
 * await writeFile('before.json', toJson(report.document))
 */
export function toJson(document: Document): string {
  const { results, ...shown } = document
  if (results === undefined) return jsonOf(shown)
  return jsonOf({ ...shown, results: JSON.parse(JSON.stringify(results, replacer)) as object })
}

/**
 * The document of a file that {@link toJson} or `--json` has written, for the option `compare`.
 *
 * @example
 * const compare = fromJson(await readFile('before.json', 'utf8'))
 * const report = await profile(url, { compare })
 *
 * @throws SyntaxError for a text that is no JSON
 */
export function fromJson(text: string): Document {
  return JSON.parse(text, revive) as Document
}

/** JSON has no Infinity: what is infinite is written as a text. */
function replacer(_key: string, value: unknown): unknown {
  return value === Infinity ? 'Infinity' : value
}

function revive(_key: string, value: unknown): unknown {
  return value === 'Infinity' ? Infinity : value
}
