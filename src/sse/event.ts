/**
 * Encodes events as text, in the format of the HTML Living Standard, 9.2.5 "Parsing an event stream".
 *
 * Encoding is pure and is the hot path of every executor. No value can forge a field: a line end of any kind (CR, LF,
 * CRLF) in `data` starts a new `data` line, and in `event` or `id` it is an error.
 */
import { HF_ERR_EVENT_DATA, HF_ERR_EVENT_FIELD, HF_ERR_EVENT_INVALID } from '../errors.ts'

/**
 * The fields of one event. At least one is required. A field that is `undefined` is absent.
 *
 * @example
 * const event: EventFields = { event: 'price', id: 7, data: { ACME: 12.5 } }
 */
export interface EventFields {
  /**
   * The payload. A string is sent as it is, each of its lines as one `data` line. The serializer turns any other value
   * into a string. `''` and `null` are values. Browsers dispatch no event without data.
   */
  data?: unknown
  /**
   * The name that the client listens for, without line ends. `''` means `message`.
   *
   * @default absent: the client dispatches the event as `message`
   */
  event?: string | undefined
  /**
   * What a client that reconnects sends back as `Last-Event-ID`: a finite number, or a string without line ends and
   * NUL. `''` resets it.
   *
   * @default absent: the client keeps the id that it has
   */
  id?: string | number | undefined
  /**
   * How long the client waits before it reconnects, in ms: a whole number from 0. A `retry` without other fields is
   * sent as a single line and is not an event.
   *
   * @default absent: the client keeps the time that it has
   */
  retry?: number | undefined
}

/** What a producer sends: a string, which is the data of an event without other fields, or the fields. */
export type EventInput = string | EventFields

/**
 * Turns `data` that is not a string into a string. If it throws, or returns anything else, `send()` throws
 * HF_ERR_EVENT_DATA.
 */
export type Serializer = (data: unknown) => string

/**
 * A comment without text. If a stream is idle, a proxy does not cut it, and no client dispatches an event.
 *
 * One line, as in HTML 9.2.7. An empty line after it would become an empty event in clients that dispatch at every
 * empty line.
 */
export const HEARTBEAT = ':\n'

const LINE_END = /\r\n|\r|\n/

const hasLineEnd = (text: string): boolean => text.includes('\n') || text.includes('\r')

/**
 * Returns the text of one event, with the empty line that ends it. If `retry` is the only field, returns its line
 * alone, like {@link encodeRetry}.
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

/** A getter or a proxy may throw anything. What cannot be read is not an event. */
function coded(error: unknown): unknown {
  if (error instanceof HF_ERR_EVENT_INVALID) return error
  if (error instanceof HF_ERR_EVENT_FIELD || error instanceof HF_ERR_EVENT_DATA) return error
  return new HF_ERR_EVENT_INVALID('it cannot be read', { cause: error })
}

/**
 * Reads the fields of an event once, so that what is checked is what is kept: a getter may return another value each
 * time.
 *
 * @throws HF_ERR_EVENT_INVALID
 */
export function readFields(event: EventInput): EventFields {
  if (typeof event === 'string') return { data: event }
  try {
    checkFields(event)
    const { data, event: name, id, retry } = event
    return { data, event: name, id, retry }
  } catch (error) {
    throw coded(error)
  }
}

function checkFields(event: EventFields): void {
  if (typeof event !== 'object' || event === null || Array.isArray(event) || ArrayBuffer.isView(event)) {
    throw new HF_ERR_EVENT_INVALID(show(event))
  }
  for (const field in event) {
    if (field !== 'data' && field !== 'event' && field !== 'id' && field !== 'retry') {
      throw new HF_ERR_EVENT_INVALID(`it has an unknown field ${show(field)}`)
    }
  }
}

function encodeFields(event: EventFields, serializer: Serializer): string {
  checkFields(event)
  const { data, event: name, id, retry } = event
  let text = ''
  if (name !== undefined) text += `event: ${checkName(name)}\n`
  if (id !== undefined) text += `id: ${checkId(id)}\n`
  if (retry !== undefined) text += encodeRetry(retry)
  if (data !== undefined) text += dataLines(typeof data === 'string' ? data : serialize(data, serializer))
  if (text === '') throw new HF_ERR_EVENT_INVALID('it has no field')
  // A client applies a retry when it has read the line (9.2.6), and an id when it has read the empty line.
  return name === undefined && id === undefined && data === undefined ? text : text + '\n'
}

/**
 * If an event is one line of data and nothing else, returns that line, else undefined. Most events are like this, and a
 * sink may write them faster than {@link encodeEvent} can: the text is `data: ${line}\n\n`.
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
  // Only the text of the default serializer is known to have no line ends.
  return serializer === JSON.stringify ? serialize(data, serializer) : undefined
}

/**
 * Returns comment lines, one for each line of `text`. No client dispatches them. No empty line follows, for the reason
 * given at {@link HEARTBEAT}.
 *
 * @throws HF_ERR_EVENT_FIELD when `text` is not a string
 */
export function encodeComment(text: string): string {
  if (typeof text !== 'string') throw new HF_ERR_EVENT_FIELD('comment', 'a string', show(text))
  if (!hasLineEnd(text)) return `: ${text}\n`
  return `: ${text.split(LINE_END).join('\n: ')}\n`
}

/** Returns a `retry` line, to be sent alone or within an event. */
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
  // A client ignores an id with NUL (9.2.6), and would resume at the wrong place after a reconnect.
  if (typeof id !== 'string' || hasLineEnd(id) || id.includes('\0')) {
    throw new HF_ERR_EVENT_FIELD('id', 'a finite number, or a string without line ends and NUL', show(id))
  }
  return id
}

/** Describes a value for an error message, shortened and on one line. */
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

/** The property `name` of a class may hold any value. */
function nameOf(value: { name?: unknown } | undefined): string | undefined {
  const name = value?.name
  return typeof name === 'string' && name !== '' ? name.slice(0, 40) : undefined
}
