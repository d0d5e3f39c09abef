/** What a profile can be asked for, by the command and by a program alike: what is refused, and the words for it. */
import type { End, Limits, Load, Stamp, Target } from './plan.ts'
import { UsageError } from './usage-error.ts'
import { parseCondition, parseLimits, type Condition } from './verdict/condition.ts'

/** A time: ms as a number, or a text with its unit, as `500ms`, `30s` or `2m`. */
export type Time = number | `${number}${'ms' | 's' | 'm' | 'h'}`

/** The options of `headfirst profile`, by the same names in camel case. */
export interface ProfileOptions {
  /** Streams begun per second, in an open loop. Over 0, up to 1,000,000. @default 20 */
  rate?: number
  /** `poisson`: independent clients. `uniform`: evenly spaced. @default 'poisson' */
  arrivals?: 'poisson' | 'uniform'
  /** Of the arrival times: each run has the same clients. A whole number from 0. @default 1 */
  seed?: number
  /** In place of a rate: so many clients, each of which begins a stream when its last is over. 1 to 100,000. */
  closed?: number
  /** @default '10s' */
  duration?: Time
  /** Before that; what begins in it does not count. @default '1s' */
  warmup?: Time
  /** A new connection for each stream, or one that is idle. @default 'new' */
  connections?: 'new' | 'keep-alive'
  /** So many streams are opened first, and kept open. */
  hold?: number
  /** Processes that make the load, 1 to 64. Default: as many as it takes, up to the machine's cores. */
  generators?: number
  /** @default 'GET', with `data` 'POST' */
  method?: string
  headers?: Readonly<Record<string, string>> | readonly (readonly [name: string, value: string])[]
  /** A body. Its content type is `application/json` unless `headers` say another. */
  data?: string | Uint8Array
  /** The path of a unix socket; the URL still says what is asked for. */
  unixSocket?: string
  /** Certificates that are trusted, in PEM. */
  ca?: string
  /** Any certificate is trusted. @default false */
  insecure?: boolean
  /** A stream is over after its Nth event. */
  events?: number
  /** A stream is over after so long, whatever has come. */
  for?: Time
  /** A stream that is not over so long after its intended start has failed. @default '10s' */
  timeout?: Time
  /** Where an event says when it was sent: `json:KEY.KEY`, `ms`, `ns` or `ns:KEY`. */
  stamp?: string
  /** Limits of a good stream, in ms, as an object or as `ttfb:50,ttfe:500`. */
  slo?: string | Limits
  /** What has to hold, as `ttfb:p99<50`. */
  thresholds?: readonly string[]
  /** Searches for the highest rate at which this holds. */
  findCapacity?: string
  /** Of the capacity: a percentage from 1% to 100%. @default '10%' */
  precision?: `${number}%`
  /** Where the server itself offers a profile (the plugin's option `profile`). */
  serverProfile?: string | URL
  /** Of `serverProfile`. @default HEADFIRST_TOKEN in the environment */
  token?: string
}

/** How an option is called where it was given. */
export type NameOf = (option: keyof ProfileOptions) => string

/** Values as a program gives them, or texts as the command line does: both are checked alike. */
export type GivenOptions = { readonly [Option in keyof ProfileOptions]?: unknown }

/** Every option, checked. */
export interface ResolvedProfile {
  url: URL
  method: string
  headers: readonly (readonly [name: string, value: string])[]
  body: Uint8Array
  socketPath: string | undefined
  ca: string | undefined
  insecure: boolean
  end: End
  load: Load
  hold: number
  /** Processes; undefined for as many as it takes. */
  generators: number | undefined
  stamp: Stamp | undefined
  slo: Limits | undefined
  thresholds: readonly Condition[]
  capacity: Condition | undefined
  /** A share: 0.1 is 10 %. */
  precision: number
  /** `option` is how it was asked for. */
  server: { url: URL; token: string; option: string } | undefined
}

const DEFAULTS = { rate: 20, durationMs: 10_000, warmupMs: 1_000, timeoutMs: 10_000, precision: 0.1 }
const MOST_GENERATORS = 64

/** All options, so that a misspelt one is found. */
const OPTIONS: Readonly<Record<keyof ProfileOptions, true>> = {
  rate: true,
  arrivals: true,
  seed: true,
  closed: true,
  duration: true,
  warmup: true,
  connections: true,
  hold: true,
  generators: true,
  method: true,
  headers: true,
  data: true,
  unixSocket: true,
  ca: true,
  insecure: true,
  events: true,
  for: true,
  timeout: true,
  stamp: true,
  slo: true,
  thresholds: true,
  findCapacity: true,
  precision: true,
  serverProfile: true,
  token: true,
}

/**
 * @param nameOf how an option is called in a message. Default: its name
 * @throws UsageError
 */
export function resolveProfile(
  url: unknown,
  given: GivenOptions,
  nameOf: NameOf = (option) => option,
): ResolvedProfile {
  for (const option in given) {
    if (!(option in OPTIONS)) {
      throw new UsageError(`There is no option "${option}". There are: ${Object.keys(OPTIONS).join(', ')}`)
    }
  }
  if (given.closed !== undefined) {
    for (const other of ['rate', 'arrivals', 'findCapacity'] as const) {
      if (given[other] === undefined) continue
      const both = `${nameOf('closed')} and ${nameOf(other)}`
      throw new UsageError(`${both} exclude each other: a closed loop offers no rate`)
    }
  }
  /** An option that was given, checked; else its default. */
  const take = <Value, Default>(
    option: keyof ProfileOptions,
    check: (name: string, value: unknown) => Value,
    otherwise: Default,
  ): Value | Default => (given[option] === undefined ? otherwise : check(nameOf(option), given[option]))
  return {
    url: httpUrl('the URL', url),
    method: methodOf(nameOf('method'), given.method ?? (given.data === undefined ? 'GET' : 'POST')),
    headers: take('headers', headersOf, []),
    body: take('data', bytesOf, new Uint8Array()),
    socketPath: take('unixSocket', textOf, undefined),
    ca: take('ca', textOf, undefined),
    insecure: take('insecure', truthOf, false),
    end: {
      events: take('events', wholeFrom(1), undefined),
      forMs: take('for', time, undefined),
      timeoutMs: take('timeout', time, DEFAULTS.timeoutMs),
    },
    load: {
      rate: given.closed === undefined ? take('rate', positive, DEFAULTS.rate) : undefined,
      arrivals: take('arrivals', (name, value) => oneOf(name, value, ['poisson', 'uniform']), 'poisson'),
      seed: take('seed', wholeFrom(0, 2 ** 32 - 1), 1),
      closed: take('closed', wholeFrom(1, 100_000), undefined),
      durationMs: take('duration', time, DEFAULTS.durationMs),
      warmupMs: take('warmup', (name, value) => time(name, value, 0), DEFAULTS.warmupMs),
      connections: take('connections', (name, value) => oneOf(name, value, ['new', 'keep-alive']), 'new'),
    },
    hold: take('hold', wholeFrom(1, 1_000_000), 0),
    generators: take('generators', wholeFrom(1, MOST_GENERATORS), undefined),
    stamp: take('stamp', stampOf, undefined),
    slo: take('slo', limitsOf, undefined),
    thresholds: take('thresholds', conditionsOf, []),
    capacity: take('findCapacity', (name, value) => parseCondition(name, String(value)), undefined),
    precision: take('precision', share, DEFAULTS.precision),
    server:
      given.serverProfile === undefined
        ? undefined
        : serverOf(nameOf, given.serverProfile, given.token ?? process.env['HEADFIRST_TOKEN']),
  }
}

const wholeFrom =
  (least: number, most?: number) =>
  (option: string, given: unknown): number =>
    whole(option, given, least, most)

function textOf(option: string, given: unknown): string {
  if (typeof given === 'string' && given !== '') return given
  throw new UsageError(`${option}: expected a text, got "${String(given)}"`)
}

function truthOf(option: string, given: unknown): boolean {
  if (typeof given === 'boolean') return given
  throw new UsageError(`${option}: expected true or false, got "${String(given)}"`)
}

function bytesOf(option: string, given: unknown): Uint8Array {
  if (typeof given === 'string') return Buffer.from(given)
  if (given instanceof Uint8Array) return given
  throw new UsageError(`${option}: expected a text or bytes, got "${String(given)}"`)
}

function headersOf(option: string, given: unknown): [string, string][] {
  if (typeof given !== 'object' || given === null) {
    throw new UsageError(`${option}: expected 'name: value', got "${String(given)}"`)
  }
  const pairs: unknown[] = Array.isArray(given) ? given : Object.entries(given)
  return pairs.map((pair) => headerOf(option, Array.isArray(pair) ? pair : [pair]))
}

function limitsOf(option: string, given: unknown): Limits {
  if (typeof given !== 'object' || given === null) return parseLimits(option, String(given))
  const parts = Object.entries(given).map(([metric, ms]) => `${metric}:${String(ms)}`)
  return parseLimits(option, parts.join(','))
}

function conditionsOf(option: string, given: unknown): Condition[] {
  if (!Array.isArray(given)) {
    throw new UsageError(`${option}: expected a list, as ['ttfb:p99<50'], got "${String(given)}"`)
  }
  return given.map((text) => parseCondition(option, String(text)))
}

function httpUrl(what: string, given: unknown): URL {
  const text = String(given)
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (url === undefined || (url.protocol !== 'http:' && url.protocol !== 'https:')) {
    throw new UsageError(`Expected ${what} to be as http://localhost:3000/ticks, got "${text}"`)
  }
  if (url.username !== '') {
    throw new UsageError(`Expected ${what} without a user name. Give the header authorization`)
  }
  return url
}

function methodOf(option: string, given: unknown): string {
  const text = String(given)
  if (!/^[A-Z]+$/i.test(text)) throw new UsageError(`${option}: expected a method, as POST, got "${text}"`)
  const method = text.toUpperCase()
  if (method === 'HEAD' || method === 'CONNECT') {
    throw new UsageError(`${option}: a response to ${method} has no events. Use GET or POST`)
  }
  return method
}

const TOKEN = /^[!#$%&'*+.^_`|~\w-]+$/
/** What the profiler sets itself, and why. */
const OWN_FIELDS: Readonly<Record<string, string>> = {
  connection: 'the option connections says it',
  'content-length': 'it is that of the data',
  'transfer-encoding': 'the body is sent with its length',
  'accept-encoding': 'events are counted as they are on the wire, so that they must not be compressed',
}

function headerOf(option: string, given: readonly unknown[]): [name: string, value: string] {
  const [name, value] = [String(given[0]).trim(), String(given[1]).trim()]
  if (!TOKEN.test(name) || /[^\t\u0020-\u007e\u0080-\u00ff]/.test(value)) {
    throw new UsageError(`${option}: expected 'name: value', got "${given.join(':')}"`)
  }
  const why = OWN_FIELDS[name.toLowerCase()]
  if (why !== undefined) throw new UsageError(`${option}: leave ${name} out: ${why}`)
  return [name, value]
}

const UNITS: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 }
/** Longer timers overflow Node's 32-bit milliseconds. */
const LONGEST_MS = 2 ** 31 - 1

function time(option: string, given: unknown, least = 1): number {
  const text = typeof given === 'number' ? `${given}ms` : String(given)
  const [, number, unit = ''] =
    /^(\d+(?:\.\d+)?)(ms|s|m|h)$/.exec(text) ?? (text === '0' ? [text, '0', 'ms'] : [])
  const ms = Math.round(Number(number) * (UNITS[unit] ?? NaN))
  if (!(ms >= least && ms <= LONGEST_MS)) {
    throw new UsageError(`${option}: expected a time with its unit, as 500ms, 30s or 2m, got "${text}"`)
  }
  return ms
}

function whole(
  option: string,
  given: unknown,
  least: number,
  most: number = Number.MAX_SAFE_INTEGER,
): number {
  const text = String(given)
  const number = Number(text)
  if (!/^\d+$/.test(text) || number < least || number > most) {
    const range = most === Number.MAX_SAFE_INTEGER ? `from ${least}` : `from ${least} to ${most}`
    throw new UsageError(`${option}: expected a whole number ${range}, got "${text}"`)
  }
  return number
}

function positive(option: string, given: unknown): number {
  const text = String(given)
  const number = Number(text)
  if (!/^\d+(?:\.\d+)?$/.test(text) || number <= 0 || number > 1e6) {
    throw new UsageError(`${option}: expected streams per second, as 200 or 0.5, got "${text}"`)
  }
  return number
}

function share(option: string, given: unknown): number {
  const text = String(given)
  const number = Number(/^(\d+(?:\.\d+)?)%$/.exec(text)?.[1] ?? NaN) / 100
  if (!(number >= 0.01 && number <= 1)) {
    throw new UsageError(`${option}: expected a percentage from 1% to 100%, as 10%, got "${text}"`)
  }
  return number
}

function oneOf<Choice extends string>(option: string, given: unknown, choices: readonly Choice[]): Choice {
  const found = choices.find((choice) => choice === given)
  if (found === undefined)
    throw new UsageError(`${option}: expected ${choices.join(' or ')}, got "${String(given)}"`)
  return found
}

function stampOf(option: string, given: unknown): Stamp {
  const text = String(given)
  const [, kind, path = ''] = /^(json|ms|ns)(?::([^:]+))?$/.exec(text) ?? []
  if (kind === undefined || (kind === 'json' && path === '')) {
    throw new UsageError(
      `${option}: expected json:KEY (ms since 1970), ms, ns or ns:KEY, as json:sent.at, got "${text}"`,
    )
  }
  return { unit: kind === 'ns' ? 'ns' : 'ms', path: path === '' ? [] : path.split('.') }
}

function serverOf(nameOf: NameOf, address: unknown, token: unknown): NonNullable<ResolvedProfile['server']> {
  if (typeof token !== 'string' || token === '') {
    throw new UsageError(
      `${nameOf('serverProfile')}: expected also ${nameOf('token')}, or HEADFIRST_TOKEN in the environment: what the server was given as profile: { token }`,
    )
  }
  const option = nameOf('serverProfile')
  return { url: httpUrl(option, address), token, option }
}

/** The request's bytes, but for the field that says what becomes of the connection. */
export function targetOf(args: ResolvedProfile, address: string | undefined): Target {
  const { url } = args
  const isSecure = url.protocol === 'https:'
  const given = new Set(args.headers.map(([name]) => name.toLowerCase()))
  const own: [string, string][] = [
    ['Host', url.host],
    ['Accept', 'text/event-stream'],
    ['Cache-Control', 'no-cache'],
    ['User-Agent', 'headfirst-profile'],
  ]
  if (args.body.length > 0) own.push(['Content-Type', 'application/json'])
  const fields = [...own.filter(([name]) => !given.has(name.toLowerCase())), ...args.headers]
  if (args.body.length > 0 || args.method !== 'GET') fields.push(['Content-Length', String(args.body.length)])
  const hostname = url.hostname.replaceAll(/[[\]]/g, '')
  return {
    host: args.socketPath === undefined ? (address ?? hostname) : undefined,
    port:
      args.socketPath === undefined ? Number(url.port === '' ? (isSecure ? 443 : 80) : url.port) : undefined,
    socketPath: args.socketPath,
    tls: isSecure ? { servername: hostname, ca: args.ca, insecure: args.insecure } : undefined,
    head: [
      `${args.method} ${url.pathname}${url.search} HTTP/1.1`,
      ...fields.map(([name, value]) => `${name}: ${value}`),
      '',
    ].join('\r\n'),
    body: args.body,
  }
}
