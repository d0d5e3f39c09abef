/**
 * Events to text, in the format of the HTML Living Standard, 9.2.5 "Parsing an event stream".
 *
 * Encoding is pure and is the hot path of every executor. It lets no value forge a field: a line end of any
 * kind (CR, LF, CRLF) in `data` starts a new `data` line, and is refused in `event` and `id`.
 */
import { HF_ERR_EVENT_DATA, HF_ERR_EVENT_FIELD, HF_ERR_EVENT_INVALID } from '../errors.ts'

/** The fields of one event. At least one must be there; a field that is `undefined` is absent. */
export interface EventFields {
  /**
   * The payload. A string is sent as it is (each line as a `data` line of its own), anything else goes through
   * the serializer. `''` and `null` are values. An event without data is dispatched by no browser.
   */
  data?: unknown
  /** The name that the client listens for. No line ends. `''` means `message`. */
  event?: string | undefined
  /** What a client that reconnects sends back as `Last-Event-ID`. No line ends, no NUL. `''` resets it. */
  id?: string | number | undefined
  /** How long the client waits before it reconnects, in ms: a whole number from 0. Alone it is a line, and no event. */
  retry?: number | undefined
}

/** What a producer sends: a string (its data), or the fields. */
export type EventInput = string | EventFields

/** Turns `data` that is not a string into one. */
export type Serializer = (data: unknown) => string

/**
 * A comment without text: it keeps proxies from cutting an idle stream, and no client shows it.
 *
 * A line, as HTML 9.2.7 says: an empty line after it would make an empty event in clients that dispatch at every one.
 */
export const HEARTBEAT = ':\n'

const LINE_END = /\r\n|\r|\n/

const hasLineEnd = (text: string): boolean => text.includes('\n') || text.includes('\r')

/**
 * The text of one event, with its closing empty line; of one that is only a `retry`, the line, as {@link encodeRetry}.
 *
 * Lone surrogates become U+FFFD when the text is written as UTF-8.
 *
 * @throws HF_ERR_EVENT_INVALID, HF_ERR_EVENT_FIELD, HF_ERR_EVENT_DATA
 */
export function encodeEvent(event: EventInput, serializer: Serializer = JSON.stringify): string {
  if (typeof event === 'string') return dataLines(event) + '\n'
  try {
    return encodeFields(event, serializer)
  } catch (error) {
    throw coded(error)
  }
}

/** A getter or a proxy may throw anything: what can't be read is no event. */
function coded(error: unknown): unknown {
  if (error instanceof HF_ERR_EVENT_INVALID) return error
  if (error instanceof HF_ERR_EVENT_FIELD || error instanceof HF_ERR_EVENT_DATA) return error
  return new HF_ERR_EVENT_INVALID('it cannot be read', { cause: error })
}

function encodeFields(event: EventFields, serializer: Serializer): string {
  if (typeof event !== 'object' || event === null || Array.isArray(event) || ArrayBuffer.isView(event)) {
    throw new HF_ERR_EVENT_INVALID(show(event))
  }
  for (const field in event) {
    if (field !== 'data' && field !== 'event' && field !== 'id' && field !== 'retry') {
      throw new HF_ERR_EVENT_INVALID(`it has an unknown field ${show(field)}`)
    }
  }
  const { data, event: name, id, retry } = event
  let text = ''
  if (name !== undefined) text += `event: ${checkName(name)}\n`
  if (id !== undefined) text += `id: ${checkId(id)}\n`
  if (retry !== undefined) text += encodeRetry(retry)
  if (data !== undefined) text += dataLines(typeof data === 'string' ? data : serialize(data, serializer))
  if (text === '') throw new HF_ERR_EVENT_INVALID('it has no field')
  // A retry holds as soon as its line is read (9.2.6). An id holds from the empty line on.
  return name === undefined && id === undefined && data === undefined ? text : text + '\n'
}

/**
 * The data of an event that is nothing else than one line of data; undefined for any other. Such an event is the
 * usual one, and a sink may have a faster way for it than {@link encodeEvent}: its text is `data: ${line}\n\n`.
 *
 * @throws HF_ERR_EVENT_INVALID, HF_ERR_EVENT_DATA
 */
export function soleLine(event: EventInput, serializer: Serializer = JSON.stringify): string | undefined {
  if (typeof event === 'string') return hasLineEnd(event) ? undefined : event
  try {
    return soleLineOfFields(event, serializer)
  } catch (error) {
    throw coded(error)
  }
}

function soleLineOfFields(event: EventFields, serializer: Serializer): string | undefined {
  if (typeof event !== 'object' || event === null || event.data === undefined) return undefined
  for (const field in event) if (field !== 'data') return undefined
  const { data } = event
  if (typeof data === 'string') return hasLineEnd(data) ? undefined : data
  // Only of the default is it known that its text holds no line end.
  return serializer === JSON.stringify ? serialize(data, serializer) : undefined
}

/**
 * Comment lines, one for each line of `text`: no client dispatches them. An empty line after them would be taken for
 * an event's end, as for {@link HEARTBEAT}.
 *
 * @throws HF_ERR_EVENT_FIELD when `text` is not a string
 */
export function encodeComment(text: string): string {
  if (typeof text !== 'string') throw new HF_ERR_EVENT_FIELD('comment', 'a string', show(text))
  if (!hasLineEnd(text)) return `: ${text}\n`
  return `: ${text.split(LINE_END).join('\n: ')}\n`
}

/** A `retry` line, which stands alone or in an event. */
export function encodeRetry(retryMs: number): string {
  if (!Number.isSafeInteger(retryMs) || retryMs < 0) {
    throw new HF_ERR_EVENT_FIELD('retry', 'a whole number of milliseconds from 0', show(retryMs))
  }
  return `retry: ${retryMs}\n`
}

function dataLines(data: string): string {
  if (!hasLineEnd(data)) return `data: ${data}\n`
  return `data: ${data.split(LINE_END).join('\ndata: ')}\n`
}

function serialize(data: unknown, serializer: Serializer): string {
  let text: unknown
  try {
    text = serializer(data)
  } catch (cause) {
    throw new HF_ERR_EVENT_DATA(messageOf(cause) ?? show(cause), { cause })
  }
  if (typeof text !== 'string') {
    throw new HF_ERR_EVENT_DATA(`for ${show(data)} the serializer returned ${show(text)}`)
  }
  return text
}

function messageOf(thrown: unknown): string | undefined {
  try {
    const message: unknown = (thrown as Error | null | undefined)?.message
    return typeof message === 'string' ? message : undefined
  } catch {
    return undefined
  }
}

function checkName(name: unknown): string {
  if (typeof name !== 'string' || hasLineEnd(name)) {
    throw new HF_ERR_EVENT_FIELD('event', 'a string without line ends', show(name))
  }
  return name
}

function checkId(id: unknown): string | number {
  if (Number.isFinite(id)) return id as number
  // A client ignores an id that holds NUL (9.2.6), so that a reconnect would resume at the wrong place.
  if (typeof id !== 'string' || hasLineEnd(id) || id.includes('\0')) {
    throw new HF_ERR_EVENT_FIELD('id', 'a finite number, or a string without line ends and NUL', show(id))
  }
  return id
}

/** A value as an error message shows it: short, and on one line. */
export function show(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(value.length > 40 ? `${value.slice(0, 40)}…` : value)
  if (typeof value === 'bigint') return `${value}n`
  try {
    if (typeof value === 'function') return `function ${nameOf(value) ?? '(anonymous)'}`
    if (Array.isArray(value)) return 'an array'
    if (typeof value === 'object' && value !== null)
      return `an object (${nameOf(value.constructor) ?? 'no class'})`
  } catch {
    return 'something that cannot be read'
  }
  return String(value)
}

/** A class may have put anything in the place of a name. */
function nameOf(value: { name?: unknown } | undefined): string | undefined {
  const name = value?.name
  return typeof name === 'string' && name !== '' ? name.slice(0, 40) : undefined
}
