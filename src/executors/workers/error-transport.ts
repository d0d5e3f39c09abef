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

/** Longer texts are cut, so that an error always fits into one frame. */
const LONGEST_TEXT = 8_000
const DEEPEST_CAUSE = 3

export function encodeError(thrown: unknown): Uint8Array {
  return Buffer.from(JSON.stringify(toPortable(thrown, 0)))
}

/** What was thrown, anew: an `Error` with the name, message, stack, plain fields and cause of the original. */
export function decodeError(bytes: Uint8Array): unknown {
  return fromPortable(JSON.parse(Buffer.from(bytes).toString()) as PortableThrown)
}

function toPortable(thrown: unknown, depth: number): PortableThrown {
  if (!(thrown instanceof Error)) return { value: plain(thrown) }
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
      cause: cause === undefined || depth === DEEPEST_CAUSE ? undefined : toPortable(cause, depth + 1),
    },
  }
}

function plain(value: unknown): unknown {
  try {
    const text = JSON.stringify(value)
    if (text !== undefined && text.length <= LONGEST_TEXT) return value
  } catch {
    // A cycle or a bigint: its text has to do.
  }
  return cut(value)
}

function fromPortable(thrown: PortableThrown): unknown {
  if ('value' in thrown) return thrown.value
  const { name, message, stack, fields, cause } = thrown.error
  const error = new Error(message, cause === undefined ? {} : { cause: fromPortable(cause) })
  for (const [key, value] of Object.entries({ name, stack })) {
    Object.defineProperty(error, key, { value, configurable: true, writable: true })
  }
  return Object.assign(error, fields)
}

/** A class may have put anything in the place of a text. */
const cut = (text: unknown): string => String(text).slice(0, LONGEST_TEXT)
