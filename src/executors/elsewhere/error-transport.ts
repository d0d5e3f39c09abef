/** Encodes errors as bytes, so that an error crosses from a worker in order with the events of its stream. */
import { types } from 'node:util'

interface PortableError {
  name: string
  message: string
  stack?: string | undefined
  /** Own properties that are plain values, such as `code` and `statusCode`. */
  fields: Record<string, string | number | boolean>
  cause?: PortableThrown | undefined
}

/** What was thrown: an error, or any other value, as JSON. */
type PortableThrown = { error: PortableError } | { value: unknown }

/** Longer texts are cut, in characters. If all texts together are more than MOST_BYTES, they are cut shorter. */
const LONGEST_TEXT = 8_000
const MOST_BYTES = 65_536
const DEEPEST_CAUSE = 3

/** Encodes any thrown value in at most MOST_BYTES. Never throws. */
export function encodeError(thrown: unknown): Uint8Array {
  try {
    for (let longest = LONGEST_TEXT; longest > 0; longest = Math.floor(longest / 4)) {
      const bytes = Buffer.from(JSON.stringify(toPortable(thrown, 0, longest)))
      if (bytes.length <= MOST_BYTES) return bytes
    }
  } catch {
    // One of its getters, or its toString(), throws.
  }
  const error = {
    name: 'Error',
    message: 'What the producer threw cannot be read, or is too large.',
    fields: {},
  }
  return Buffer.from(JSON.stringify({ error } satisfies PortableThrown))
}

/**
 * Decodes what was thrown. An error becomes an `Error` with the name, message, stack, plain fields and cause of the
 * original.
 *
 * @throws SyntaxError, TypeError or RangeError if {@link encodeError} has not made the bytes
 */
export function decodeError(bytes: Uint8Array): unknown {
  return fromPortable(JSON.parse(Buffer.from(bytes).toString()), 0)
}

function toPortable(thrown: unknown, depth: number, longest: number): PortableThrown {
  // The `message` or `stack` of an error may be any value.
  const cut = (text: unknown): string => String(text).slice(0, longest)
  // An error of another realm (node:vm, jest) is no instance of this realm's Error.
  if (!(thrown instanceof Error || types.isNativeError(thrown))) return { value: plain(thrown, cut) }
  const fields: PortableError['fields'] = {}
  for (const [key, value] of Object.entries(thrown)) {
    if (typeof value === 'string') fields[key] = cut(value)
    else if (typeof value === 'number' || typeof value === 'boolean') fields[key] = value
  }
  const { name, message, stack, cause } = thrown
  return {
    error: {
      name: cut(name),
      message: cut(message),
      stack: typeof stack === 'string' ? cut(stack) : undefined,
      fields,
      cause:
        cause === undefined || depth === DEEPEST_CAUSE ? undefined : toPortable(cause, depth + 1, longest),
    },
  }
}

function plain(value: unknown, cut: (text: unknown) => string): unknown {
  try {
    const text = JSON.stringify(value)
    // For a function, a symbol or undefined there is no JSON: `text` is undefined, and `cut(text)` is a string.
    if (text === cut(text)) return value
  } catch {
    // A cycle or a bigint: `String(value)` is sent instead.
  }
  return cut(value)
}

function fromPortable(thrown: unknown, depth: number): unknown {
  if (depth > DEEPEST_CAUSE) throw new RangeError('causes that are too deep')
  if (isObject(thrown) && 'value' in thrown) return thrown['value']
  if (!isObject(thrown) || !isPortable(thrown['error'])) throw new TypeError('no error')
  const { name, message, stack, fields, cause } = thrown['error']
  const error = new Error(message, cause === undefined ? {} : { cause: fromPortable(cause, depth + 1) })
  for (const [key, value] of Object.entries({ name, stack })) {
    Object.defineProperty(error, key, { value, configurable: true, writable: true })
  }
  return Object.assign(error, fields)
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null

function isPortable(value: unknown): value is PortableError {
  if (!isObject(value)) return false
  const { name, message, stack, fields } = value
  return (
    typeof name === 'string' &&
    typeof message === 'string' &&
    (stack === undefined || typeof stack === 'string') &&
    isObject(fields) &&
    // An object under the key `__proto__` would replace the prototype of the error.
    Object.values(fields).every((field) => !isObject(field))
  )
}
