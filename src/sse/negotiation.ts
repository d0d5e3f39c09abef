/** Whether a client takes an event stream, or prefers it: `Accept` (RFC 9110, 12.5.1). */
import Negotiator from 'negotiator'

const EVENT_STREAM = 'text/event-stream'

/**
 * Types with the parameter that they are often asked for with. A range that has a parameter takes only a type
 * that has it too, and both JSON and event streams are UTF-8 whether they say so or not.
 */
const withCharset = (types: readonly string[]): string[] =>
  types.flatMap((type) => (type.includes(';') ? [type] : [type, `${type};charset=utf-8`]))

const EVENT_STREAMS = withCharset([EVENT_STREAM])

/** A header without a member says as little as none. */
const saysNothing = (accept: string | undefined): boolean => accept === undefined || !/[^\s,]/.test(accept)

const ranked = (accept: string | undefined, types: readonly string[]): string[] =>
  new Negotiator({ headers: { accept } }).mediaTypes(types)

/**
 * True when an `Accept` header allows an event stream.
 *
 * @param accept the header's value; several headers are joined with commas
 */
export function acceptsEventStream(accept: string | undefined): boolean {
  // What a browser's EventSource sends needs no parsing.
  return accept === EVENT_STREAM || saysNothing(accept) || ranked(accept, EVENT_STREAMS).length > 0
}

/**
 * True when an `Accept` header prefers an event stream: by the weight, then by the more exact range, then by
 * what is named first. Where the header tells nothing apart, or allows none of them, the other types win.
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

/** True for a type without wildcards, such as `application/json`. */
export const isMediaType = (value: unknown): boolean => typeof value === 'string' && MEDIA_TYPE.test(value)
