import { encodeEvent, type EventInput } from '../../src/sse/event.ts'
import { createParser } from 'eventsource-parser'

/** The text of an event, or why it is none. */
export function attempt(event: EventInput): string | { code: string } {
  try {
    return encodeEvent(event)
  } catch (error) {
    return error as { code: string }
  }
}

/** A string as it is after UTF-8: lone surrogates have become U+FFFD. */
export const wellFormed = (text: string): string => Buffer.from(text).toString()

/** What a client makes of an event stream. */
export interface Decoded {
  events: { data: string; event: string | undefined; id: string | undefined }[]
  comments: string[]
  retries: number[]
  /** What the client did not understand. */
  errors: string[]
}

/** Decodes with an independent parser; the bytes arrive in pieces, cut at these places. */
export function decode(text: string, cuts: number[] = []): Decoded {
  const decoded: Decoded = { events: [], comments: [], retries: [], errors: [] }
  const parser = createParser({
    onEvent: ({ data, event, id }) => decoded.events.push({ data, event, id }),
    onComment: (comment) => decoded.comments.push(comment),
    onRetry: (retry) => decoded.retries.push(retry),
    onError: (error) => decoded.errors.push(error.message),
  })
  const bytes = Buffer.from(text)
  const decoder = new TextDecoder()
  let start = 0
  for (const end of [...cuts.map((cut) => cut % (bytes.length + 1)), bytes.length].toSorted(
    (a, b) => a - b,
  )) {
    parser.feed(decoder.decode(bytes.subarray(start, end), { stream: true }))
    start = end
  }
  return decoded
}

/** A string as data arrives: every line end is LF. */
export const lineFeeds = (text: string): string => text.replaceAll(/\r\n|\r/g, '\n')
