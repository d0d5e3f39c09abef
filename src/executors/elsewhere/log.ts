/** Sends a producer's log lines to the server's log, in order with its events. */
import { isObject } from '../../runtime/option-rules.ts'
import { LOG_LEVELS, type LogLevel, type StreamLog } from '../../sse/stream.ts'
import { decodeError, encodeError } from './error-transport.ts'

/** A line for the server's log. The payload of a LOG frame is its JSON. */
export interface LogLine {
  level: LogLevel
  fields: Record<string, unknown>
  message: string | undefined
}

/** In bytes of JSON. A longer line loses its fields, and its message is cut, so that it fits into one frame. */
const LONGEST_LINE = 65_536

/**
 * Makes the log of a producer that runs elsewhere. Lines below the server's level are not sent.
 *
 * @param send sends the payload of a LOG frame
 * @param level the server's. If it is undefined, or not one of pino's levels, all lines are sent and the logger decides
 */
export function farLog(send: (line: Uint8Array) => void, level: string | undefined): StreamLog {
  const least = level === 'silent' ? Infinity : (LOG_LEVELS as readonly (string | undefined)[]).indexOf(level)
  const methods = LOG_LEVELS.map((name, urgency) => [
    name,
    (first: string | object, second?: string): void => {
      if (urgency >= least) send(encodeLine(name, first, second))
    },
  ])
  return Object.fromEntries(methods) as StreamLog
}

/** @throws SyntaxError, TypeError or RangeError if {@link farLog} has not made the payload */
export function readLine(payload: Uint8Array): LogLine {
  const line = JSON.parse(Buffer.from(payload).toString()) as LogLine | null
  // Any other name could be another method of the logger.
  const isLine = line !== null && LOG_LEVELS.includes(line.level) && isObject(line.fields)
  if (!isLine || !['string', 'undefined'].includes(typeof line.message)) throw new TypeError('no line')
  const { fields } = line
  if (Object.hasOwn(fields, 'err')) fields['err'] = decodeError(Buffer.from(String(fields['err'])))
  return line
}

export function writeLine(log: StreamLog, { level, fields, message }: LogLine): void {
  if (message === undefined) log[level](fields)
  else log[level](fields, message)
}

function encodeLine(level: LogLevel, first: string | object, second: string | undefined): Uint8Array {
  const isText = typeof first === 'string'
  const message = isText ? first : second
  const bytes = jsonBytes(() => ({ level, fields: isText ? {} : plainFields(first), message }))
  if (bytes !== undefined && bytes.length <= LONGEST_LINE) return bytes
  const kept = (message ?? 'a line that is too long, or has fields that are no JSON').slice(
    0,
    LONGEST_LINE / 4,
  )
  return jsonBytes(() => ({ level, fields: {}, message: kept })) as Uint8Array
}

/** An error, alone or as `err`, keeps its name, message and stack, as with pino. */
function plainFields(fields: object): Record<string, unknown> {
  const plain: Record<string, unknown> = fields instanceof Error ? { err: fields } : { ...fields }
  if ('err' in plain) plain['err'] = Buffer.from(encodeError(plain['err'])).toString()
  return plain
}

/** Undefined where the line cannot be read: its fields may have getters that throw, or may be a Proxy. */
function jsonBytes(line: () => LogLine): Buffer | undefined {
  try {
    return Buffer.from(JSON.stringify(line()))
  } catch {
    return undefined
  }
}
