/** Whether the `Accept` header of a request allows an event stream, or prefers it (RFC 9110, 12.5.1). */
import Negotiator from 'negotiator'

const EVENT_STREAM = 'text/event-stream'

/**
 * The types, each without and with `charset=utf-8`. A range with a parameter matches only a type with the same
 * parameter, clients often send this one, and both JSON and event streams are always UTF-8.
 */
const withCharset = (types: readonly string[]): string[] =>
  types.flatMap((type) => (type.includes(';') ? [type] : [type, `${type};charset=utf-8`]))

const EVENT_STREAMS = withCharset([EVENT_STREAM])

/** A header without any member counts as absent. */
const saysNothing = (accept: string | undefined): boolean => accept === undefined || !/[^\s,]/.test(accept)

const ranked = (accept: string | undefined, types: readonly string[]): string[] =>
  new Negotiator({ headers: { accept } }).mediaTypes(types)

/**
 * True if an `Accept` header allows an event stream.
 *
 * @param accept the header's value; several headers are joined with commas
 */
export function acceptsEventStream(accept: string | undefined): boolean {
  // A browser's EventSource sends exactly this: no parsing needed.
  return accept === EVENT_STREAM || saysNothing(accept) || ranked(accept, EVENT_STREAMS).length > 0
}

/**
 * True if an `Accept` header prefers an event stream to the other types: by weight, then by the more exact range, then
 * by order. False if the header makes no difference between them, or allows none.
 *
 * @param accept the header's value; several headers are joined with commas
 * @param over the other types
 */
export function prefersEventStream(accept: string | undefined, over: readonly string[]): boolean {
  if (saysNothing(accept)) return false
  const [best] = ranked(accept, [...withCharset(over), ...EVENT_STREAMS])
  return best !== undefined && EVENT_STREAMS.includes(best)
}

const MEDIA_TYPE = /^[^\s/;,*]+\/[^\s/;,*]+(\s*;[^,]*)?$/

/** True for a media type without wildcards, such as `application/json`. */
export const isMediaType = (value: unknown): boolean => typeof value === 'string' && MEDIA_TYPE.test(value)
