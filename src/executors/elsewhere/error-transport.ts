/** An error as bytes, to cross from a worker in the order of its stream's events. */

interface PortableError {
  name: string
  message: string
  stack?: string | undefined
  /** Own properties that are plain values, such as `code` and `statusCode`. */
  fields: Record<string, string | number | boolean>
  cause?: PortableThrown | undefined
}

/** What was thrown: an error, or (`value`) anything else that JSON can hold. */
type PortableThrown = { error: PortableError } | { value: unknown }

/** Longer texts are cut, and cut shorter where all of them together do not fit into one frame of a ring. */
const LONGEST_TEXT = 8_000
const MOST_BYTES = 65_536
const DEEPEST_CAUSE = 3

/** Never throws, whatever a producer may have thrown; at most MOST_BYTES. */
export function encodeError(thrown: unknown): Uint8Array {
  try {
    for (let longest = LONGEST_TEXT; longest > 0; longest = Math.floor(longest / 4)) {
      const bytes = Buffer.from(JSON.stringify(toPortable(thrown, 0, longest)))
      if (bytes.length <= MOST_BYTES) return bytes
    }
  } catch {
    // A getter or a toString() of it throws.
  }
  const error = {
    name: 'Error',
    message: 'What the producer threw cannot be read, or is too large.',
    fields: {},
  }
  return Buffer.from(JSON.stringify({ error } satisfies PortableThrown))
}

/**
 * What was thrown, anew: an `Error` with the name, message, stack, plain fields and cause of the original.
 *
 * @throws SyntaxError, TypeError or RangeError for what {@link encodeError} has not made
 */
export function decodeError(bytes: Uint8Array): unknown {
  return fromPortable(JSON.parse(Buffer.from(bytes).toString()), 0)
}

function toPortable(thrown: unknown, depth: number, longest: number): PortableThrown {
  // A class may have put anything in the place of a text.
  const cut = (text: unknown): string => String(text).slice(0, longest)
  if (!(thrown instanceof Error)) return { value: plain(thrown, cut) }
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
    // Of what JSON can't hold at all there is none.
    if (text === cut(text)) return value
  } catch {
    // A cycle or a bigint: its text has to do.
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
    // An object in the place of `__proto__` would take the error's class away.
    Object.values(fields).every((field) => !isObject(field))
  )
}
