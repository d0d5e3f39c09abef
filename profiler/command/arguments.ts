import { existsSync, readFileSync, statSync } from 'node:fs'
import { resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { resolveProfile, type GivenOptions, type NameOf, type ResolvedProfile } from '../options.ts'
import { UsageError } from '../usage-error.ts'
import { reportFiles } from './report-file.ts'

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

/** What the command is to do. */
export interface ProfileCommand {
  kind: 'help' | 'self-check' | 'profile'
  /** Undefined where no URL was given, which only a profile needs. */
  profile: ResolvedProfile | undefined
  /** Absolute paths. */
  compare: string | undefined
  json: string | undefined
  html: string | undefined
}

/** Options whose flag is not their name in kebab case. */
const FLAGS: Readonly<Record<string, string>> = { headers: '--header', thresholds: '--threshold' }

const flagOf: NameOf = (option) =>
  FLAGS[option] ?? `--${option.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`

/** @throws UsageError */
export function parseProfileArguments(args: readonly string[]): ProfileCommand {
  const { values, positionals } = parsed(args)
  const kind = values.help === true ? 'help' : values['self-check'] === true ? 'self-check' : 'profile'
  const [address, ...more] = positionals
  if (more.length > 0)
    throw new UsageError(`Expected one URL, got also "${more.join(' ')}". Quote what has spaces`)
  if (address === undefined && kind === 'profile') {
    throw new UsageError('Expected a URL: headfirst profile http://localhost:3000/ticks')
  }
  const given: GivenOptions = {
    rate: values.rate,
    arrivals: values.arrivals,
    seed: values.seed,
    closed: values.closed,
    duration: values.duration,
    warmup: values.warmup,
    connections: values.connections,
    hold: values.hold,
    generators: values.generators,
    method: values.method,
    headers: values.header?.map(splitHeader),
    data: values.data === undefined ? undefined : bodyOf(values.data),
    unixSocket: values['unix-socket'] === undefined ? undefined : resolve(values['unix-socket']),
    ca: values.ca === undefined ? undefined : readable('--ca', values.ca).toString(),
    insecure: values.insecure,
    events: values.events,
    for: values.for,
    timeout: values.timeout,
    stamp: values.stamp,
    slo: values.slo,
    thresholds: values.threshold,
    findCapacity: values['find-capacity'],
    precision: values.precision,
    serverProfile: values['server-profile'],
    token: values.token,
  }
  return {
    kind,
    profile: address === undefined ? undefined : resolveProfile(address, given, flagOf),
    compare: values.compare === undefined ? undefined : existing('--compare', values.compare),
    ...reportFiles({ json: values.json, html: values.html }),
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

function splitHeader(text: string): [name: string, value: string] {
  const colon = text.indexOf(':')
  return [text.slice(0, Math.max(0, colon)), text.slice(colon + 1)]
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
