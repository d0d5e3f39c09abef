/** The options of the request. */
import { UsageError } from '../usage-error.ts'
import type { Given } from './given.ts'
import type { ResolvedRequest } from './resolved-profile.ts'
import { bytes, text, truth } from './values.ts'

/** @throws UsageError */
export function requestOptions(url: unknown, given: Given): ResolvedRequest {
  return {
    url: httpUrl('the URL', url),
    method: given.take('method', methodOf, given.has('data') ? 'POST' : 'GET'),
    headers: given.take('headers', headersOf, []),
    body: given.take('data', bytes, new Uint8Array()),
    socketPath: given.take('unixSocket', text, undefined),
    ca: given.take('ca', text, undefined),
    insecure: given.take('insecure', truth, false),
  }
}

/** @param what the address is, for the message */
export function httpUrl(what: string, given: unknown): URL {
  const address = String(given)
  const url = URL.canParse(address) ? new URL(address) : undefined
  if (url === undefined || (url.protocol !== 'http:' && url.protocol !== 'https:')) {
    throw new UsageError(`Expected ${what} to be as http://localhost:3000/ticks, got "${address}"`)
  }
  if (url.username !== '' || url.password !== '') {
    throw new UsageError(`Expected ${what} without a user name. Give the header authorization`)
  }
  return url
}

function methodOf(option: string, given: unknown): string {
  const words = String(given)
  if (!/^[A-Z]+$/i.test(words)) throw new UsageError(`${option}: expected a method, as POST, got "${words}"`)
  const method = words.toUpperCase()
  if (method === 'HEAD' || method === 'CONNECT') {
    throw new UsageError(`${option}: a response to ${method} has no events. Use GET or POST`)
  }
  return method
}

function headersOf(option: string, given: unknown): [string, string][] {
  if (typeof given !== 'object' || given === null) {
    throw new UsageError(`${option}: expected 'name: value', got "${String(given)}"`)
  }
  // A Map and a fetch's Headers have pairs, and no properties of their own.
  const pairs: unknown[] =
    Symbol.iterator in given ? [...(given as Iterable<unknown>)] : Object.entries(given)
  return pairs.map((pair) => headerOf(option, Array.isArray(pair) ? pair : [pair]))
}

const TOKEN = /^[!#$%&'*+.^_`|~\w-]+$/
/** Fields that are the profiler's own, and why. */
const OWN_FIELDS: Readonly<Record<string, string>> = {
  connection: 'the option connections says it',
  'content-length': 'it is that of the data',
  'transfer-encoding': 'the body is sent with its length',
  'accept-encoding': 'events are counted as they are on the wire, so that they must not be compressed',
}

function headerOf(option: string, given: readonly unknown[]): [name: string, value: string] {
  const [name, value] = [String(given[0]).trim(), String(given[1]).trim()]
  const isText = given.length === 2 && ['string', 'number'].includes(typeof given[1])
  if (!isText || !TOKEN.test(name) || /[^\t\u0020-\u007e\u0080-\u00ff]/.test(value)) {
    throw new UsageError(`${option}: expected 'name: value', got "${given.join(':')}"`)
  }
  const why = OWN_FIELDS[name.toLowerCase()]
  if (why !== undefined) throw new UsageError(`${option}: leave ${name} out: ${why}`)
  return [name, value]
}
