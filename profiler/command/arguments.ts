import { existsSync, readFileSync, statSync } from 'node:fs'
import { resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { reportFiles } from './report-file.ts'
import { UsageError } from './usage-error.ts'
import { parseCondition, parseLimits, type Condition } from '../verdict/condition.ts'
import type { End, Limits, Load, Stamp, Target } from '../plan.ts'

export const HELP: string = `headfirst profile: what do the clients of an SSE endpoint see? Any server, any language.

  headfirst profile http://localhost:3000/ticks --rate 200 --duration 30s

Streams begin at random times, 200 a second, and wait for nobody: each time counts from the moment when a stream
was to begin, so that a server that stalls cannot hide its queue. If streams do not end by themselves, say when:

  headfirst profile http://localhost:3000/ticks --rate 50 --for 5s          leave after 5 s
  headfirst profile http://localhost:3000/ticks --rate 50 --events 20       leave after 20 events
  headfirst profile http://localhost:3000/ticks --find-capacity 'ttfb:p99<50' --events 20
  headfirst profile https://example.org/chat -d @prompt.json -H 'authorization: Bearer x' --rate 2

Load
  --rate N             streams begun per second. Default 20.
  --arrivals KIND      poisson (independent clients, the default) or uniform (evenly spaced).
  --seed N             of the arrival times. Default 1: each run has the same clients.
  --closed N           instead: N clients, each of which begins a stream when its last is over. They wait for the
                       server, so that a stall hides what would have come meanwhile: look at rates, not latency.
  --duration TIME      default 10s. Times are written 500ms, 30s, 2m.
  --warmup TIME        before that; what begins in it does not count. Default 1s.
  --connections KIND   new (one for each stream, the default) or keep-alive (one that is idle, if there is one).
  --hold N             open N more streams first, and keep them open.
  --generators N       processes that make the load, from 1 to 64. Default: one; where it has too much to do in the
                       warm-up, the run begins anew with twice as many, up to this machine's cores.

Request
  -X, --method M       default GET, with --data POST.
  -H, --header 'N: V'  repeatable.
  -d, --data TEXT      a body, or @FILE. Its content-type, unless you give one, is application/json.
  --unix-socket PATH   connect there; the URL still says what is asked for.
  --ca FILE            trust these certificates (PEM), of --server-profile too.   -k, --insecure   trust any.

When a stream is over (by itself, or)
  --events N           after its Nth event. One that ends before is "truncated".
  --for TIME           after so long, whatever has come.
  --timeout TIME       a stream that is not over so long after its intended start has failed. Default 10s.

What is measured besides TTFB, TTFE, gaps and rates
  --stamp WHERE        from when an event was sent until it came. WHERE in the event: json:KEY.KEY for ms since
                       1970 (Date.now()); ms for data that is that number; ns:KEY.KEY or ns for nanoseconds of
                       this host's monotonic clock (process.hrtime.bigint()).
  --slo LIMITS         ttfb:50,ttfe:500,gap:100,total:2000 in ms: goodput is streams per second within all.

Verdicts
  --threshold COND     'ttfb:p99<50', 'errors:rate<0.01'; repeatable. Exit code 99 if one does not hold. Metrics
                       ttfb, ttfe, gap, total, latency with min, mean, p50, p90, p95, p99, p99.9, max, in ms;
                       errors:rate (a share), goodput:rate, events:rate, bytes:rate (per second).
  --find-capacity COND the highest rate that holds: doubles from --rate, then bisects. Each step lasts --duration,
                       and with a p99 as long as 1,000 arrivals take.
  --precision N%       of the capacity. Default 10%.
  --compare FILE       ratios to a run that --json has written.

The server's own view, of a server with headfirst's option profile: { path, token }
  --server-profile URL --token TOKEN (or HEADFIRST_TOKEN in the environment, where ps does not show it)

Output
  --json FILE          everything, to be compared with later.    --html FILE   one page with charts.
  --self-check         measure the profiler itself against a server of known delays, and its ceiling.
  --help

Exit codes
  0 pass, 1 crash, 2 usage, 3 the measurement is INVALID (the generator was late or busy, or no stream was good),
  99 a threshold does not hold, 130 interrupted: what there is, is shown and written.
`

export interface ProfileArguments {
  help: boolean
  selfCheck: boolean
  url: URL | undefined
  method: string
  headers: readonly (readonly [name: string, value: string])[]
  body: Buffer
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
  /** Absolute paths. */
  compare: string | undefined
  json: string | undefined
  html: string | undefined
  server: { url: URL; token: string } | undefined
}

const DEFAULTS = { rate: 20, durationMs: 10_000, warmupMs: 1_000, timeoutMs: 10_000, precision: 0.1 }
const MOST_GENERATORS = 64

/** @throws UsageError */
export function parseProfileArguments(args: readonly string[]): ProfileArguments {
  const { values, positionals } = parsed(args)
  const help = values.help ?? false
  const selfCheck = values['self-check'] ?? false
  const [address, ...more] = positionals
  if (more.length > 0)
    throw new UsageError(`Expected one URL, got also "${more.join(' ')}". Quote what has spaces`)
  if (address === undefined && !help && !selfCheck) {
    throw new UsageError('Expected a URL: headfirst profile http://localhost:3000/ticks')
  }
  if (values.closed !== undefined) {
    for (const other of ['rate', 'arrivals', 'find-capacity'] as const) {
      if (values[other] !== undefined) {
        throw new UsageError(`--closed and --${other} exclude each other: a closed loop offers no rate`)
      }
    }
  }
  const body = values.data === undefined ? Buffer.alloc(0) : bodyOf(values.data)
  const forMs = values.for === undefined ? undefined : time('--for', values.for)
  const token = values.token ?? process.env['HEADFIRST_TOKEN']
  return {
    help,
    selfCheck,
    url: address === undefined ? undefined : httpUrl('the URL', address),
    method: methodOf(values.method ?? (values.data === undefined ? 'GET' : 'POST')),
    headers: (values.header ?? []).map(headerOf),
    body,
    socketPath: values['unix-socket'] === undefined ? undefined : resolve(values['unix-socket']),
    ca: values.ca === undefined ? undefined : readable('--ca', values.ca).toString(),
    insecure: values.insecure ?? false,
    end: {
      events: values.events === undefined ? undefined : whole('--events', values.events, 1),
      forMs,
      timeoutMs: values.timeout === undefined ? DEFAULTS.timeoutMs : time('--timeout', values.timeout),
    },
    load: {
      rate:
        values.closed === undefined
          ? values.rate === undefined
            ? DEFAULTS.rate
            : positive('--rate', values.rate)
          : undefined,
      arrivals: oneOf('--arrivals', values.arrivals ?? 'poisson', ['poisson', 'uniform']),
      seed: values.seed === undefined ? 1 : whole('--seed', values.seed, 0, 2 ** 32 - 1),
      closed: values.closed === undefined ? undefined : whole('--closed', values.closed, 1, 100_000),
      durationMs: values.duration === undefined ? DEFAULTS.durationMs : time('--duration', values.duration),
      warmupMs: values.warmup === undefined ? DEFAULTS.warmupMs : time('--warmup', values.warmup, 0),
      connections: oneOf('--connections', values.connections ?? 'new', ['new', 'keep-alive']),
    },
    hold: values.hold === undefined ? 0 : whole('--hold', values.hold, 1, 1_000_000),
    generators:
      values.generators === undefined
        ? undefined
        : whole('--generators', values.generators, 1, MOST_GENERATORS),
    stamp: values.stamp === undefined ? undefined : stampOf(values.stamp),
    slo: values.slo === undefined ? undefined : parseLimits(values.slo),
    thresholds: (values.threshold ?? []).map((text) => parseCondition('--threshold', text)),
    capacity:
      values['find-capacity'] === undefined
        ? undefined
        : parseCondition('--find-capacity', values['find-capacity']),
    precision: values.precision === undefined ? DEFAULTS.precision : share('--precision', values.precision),
    compare: values.compare === undefined ? undefined : existing('--compare', values.compare),
    ...reportFiles({ json: values.json, html: values.html }),
    server:
      values['server-profile'] === undefined ? undefined : serverOf(values['server-profile'], token ?? ''),
  }
}

// The type is what `parseArgs` infers from the options.
// eslint-disable-next-line typescript/explicit-function-return-type
function parsed(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        help: { type: 'boolean', short: 'h' },
        rate: { type: 'string' },
        arrivals: { type: 'string' },
        seed: { type: 'string' },
        closed: { type: 'string' },
        duration: { type: 'string' },
        warmup: { type: 'string' },
        connections: { type: 'string' },
        hold: { type: 'string' },
        generators: { type: 'string' },
        method: { type: 'string', short: 'X' },
        header: { type: 'string', short: 'H', multiple: true },
        data: { type: 'string', short: 'd' },
        'unix-socket': { type: 'string' },
        ca: { type: 'string' },
        insecure: { type: 'boolean', short: 'k' },
        events: { type: 'string' },
        for: { type: 'string' },
        timeout: { type: 'string' },
        stamp: { type: 'string' },
        slo: { type: 'string' },
        threshold: { type: 'string', multiple: true },
        'find-capacity': { type: 'string' },
        precision: { type: 'string' },
        compare: { type: 'string' },
        'server-profile': { type: 'string' },
        token: { type: 'string' },
        json: { type: 'string' },
        html: { type: 'string' },
        'self-check': { type: 'boolean' },
      },
    })
  } catch (error) {
    throw new UsageError((error as Error).message, { cause: error })
  }
}

function httpUrl(what: string, text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (url === undefined || (url.protocol !== 'http:' && url.protocol !== 'https:')) {
    throw new UsageError(`Expected ${what} to be as http://localhost:3000/ticks, got "${text}"`)
  }
  if (url.username !== '') {
    throw new UsageError(`Expected ${what} without a user name. Use -H 'authorization: …'`)
  }
  return url
}

function methodOf(text: string): string {
  if (!/^[A-Z]+$/i.test(text)) throw new UsageError(`--method: expected a method, as POST, got "${text}"`)
  const method = text.toUpperCase()
  if (method === 'HEAD' || method === 'CONNECT') {
    throw new UsageError(`--method: a response to ${method} has no events. Use GET or POST`)
  }
  return method
}

const TOKEN = /^[!#$%&'*+.^_`|~\w-]+$/
/** What the profiler sets itself, and why. */
const OWN_FIELDS: Readonly<Record<string, string>> = {
  connection: 'use --connections',
  'content-length': 'it is that of --data',
  'transfer-encoding': 'the body is sent with its length',
  'accept-encoding': 'events are counted as they are on the wire, so that they must not be compressed',
}

function headerOf(text: string): [name: string, value: string] {
  const colon = text.indexOf(':')
  const name = text.slice(0, Math.max(0, colon)).trim()
  const value = text.slice(colon + 1).trim()
  if (!TOKEN.test(name) || /[^\t\u0020-\u007e\u0080-\u00ff]/.test(value)) {
    throw new UsageError(`--header: expected 'name: value', got "${text}"`)
  }
  const why = OWN_FIELDS[name.toLowerCase()]
  if (why !== undefined) throw new UsageError(`--header: leave ${name} out: ${why}`)
  return [name, value]
}

function bodyOf(text: string): Buffer {
  return text.startsWith('@') ? readable('--data', text.slice(1)) : Buffer.from(text)
}

function readable(option: string, file: string): Buffer {
  try {
    return readFileSync(resolve(file))
  } catch (error) {
    throw new UsageError(`${option}: can't read ${resolve(file)}: ${(error as Error).message}`, {
      cause: error,
    })
  }
}

function existing(option: string, file: string): string {
  const path = resolve(file)
  if (!existsSync(path) || !statSync(path).isFile())
    throw new UsageError(`${option}: there is no file ${path}`)
  return path
}

const UNITS: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 }
/** Longer timers overflow Node's 32-bit milliseconds. */
const LONGEST_MS = 2 ** 31 - 1

function time(option: string, text: string, least = 1): number {
  const [, number, unit = ''] =
    /^(\d+(?:\.\d+)?)(ms|s|m|h)$/.exec(text) ?? (text === '0' ? [text, '0', 'ms'] : [])
  const ms = Math.round(Number(number) * (UNITS[unit] ?? NaN))
  if (!(ms >= least && ms <= LONGEST_MS)) {
    throw new UsageError(`${option}: expected a time with its unit, as 500ms, 30s or 2m, got "${text}"`)
  }
  return ms
}

function whole(option: string, text: string, least: number, most: number = Number.MAX_SAFE_INTEGER): number {
  const number = Number(text)
  if (!/^\d+$/.test(text) || number < least || number > most) {
    const range = most === Number.MAX_SAFE_INTEGER ? `from ${least}` : `from ${least} to ${most}`
    throw new UsageError(`${option}: expected a whole number ${range}, got "${text}"`)
  }
  return number
}

function positive(option: string, text: string): number {
  const number = Number(text)
  if (!/^\d+(?:\.\d+)?$/.test(text) || number <= 0 || number > 1e6) {
    throw new UsageError(`${option}: expected streams per second, as 200 or 0.5, got "${text}"`)
  }
  return number
}

function share(option: string, text: string): number {
  const number = Number(/^(\d+(?:\.\d+)?)%$/.exec(text)?.[1] ?? NaN) / 100
  if (!(number >= 0.01 && number <= 1)) {
    throw new UsageError(`${option}: expected a percentage from 1% to 100%, as 10%, got "${text}"`)
  }
  return number
}

function oneOf<Choice extends string>(option: string, text: string, choices: readonly Choice[]): Choice {
  const found = choices.find((choice) => choice === text)
  if (found === undefined) throw new UsageError(`${option}: expected ${choices.join(' or ')}, got "${text}"`)
  return found
}

function stampOf(text: string): Stamp {
  const [, kind, path = ''] = /^(json|ms|ns)(?::([^:]+))?$/.exec(text) ?? []
  if (kind === undefined || (kind === 'json' && path === '')) {
    throw new UsageError(
      `--stamp: expected json:KEY (ms since 1970), ms, ns or ns:KEY, as json:sent.at, got "${text}"`,
    )
  }
  return { unit: kind === 'ns' ? 'ns' : 'ms', path: path === '' ? [] : path.split('.') }
}

function serverOf(address: string, token: string): { url: URL; token: string } {
  if (token === '') {
    throw new UsageError(
      '--server-profile: expected also --token, or HEADFIRST_TOKEN in the environment: what the server was given as profile: { token }',
    )
  }
  return { url: httpUrl('--server-profile', address), token }
}

/** The request's bytes, but for the field that says what becomes of the connection. */
export function targetOf(args: ProfileArguments, address: string | undefined): Target {
  const url = args.url as URL
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
