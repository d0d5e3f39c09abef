/** A document as JSON, after `schema.json`. */
import type { Document } from './document.ts'

/** The `$id` of the schema. */
const SCHEMA = 'urn:headfirst:report:1'

/** Infinity, a percentile among failures, becomes null; only raw results may hold it. */
export function toJson(document: Document): string {
  return `${JSON.stringify({ $schema: SCHEMA, ...document })}\n`
}
