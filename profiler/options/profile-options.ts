/**
 * The options of a profile, for the command and for programs alike: this folder has them, checks them by group, and
 * makes the request's bytes of them.
 */
import type { Limits } from '../plan.ts'

/** A time: ms as a number, or a text with its unit, as `'500ms'`, `'30s'`, `'2m'` or `'1h'`. Up to 2147483647 ms. */
export type Time = number | `${number}${'ms' | 's' | 'm' | 'h'}`

/** The options of `headfirst profile`, by the same names in camel case. */
export interface ProfileOptions {
  /**
   * Streams begun per second, in an open loop: they wait for none before them. Over 0, up to 1,000,000. With
   * `findCapacity`: the rate that the search begins with.
   *
   * @default 20
   */
  rate?: number
  /**
   * How arrivals are spread. `poisson`: at random, as independent clients come. `uniform`: evenly.
   *
   * @default 'poisson'
   */
  arrivals?: 'poisson' | 'uniform'
  /**
   * Seed of the arrival times: runs with the same seed have the same ones. A whole number from 0 to 4294967295.
   *
   * @default 1
   */
  seed?: number
  /**
   * A closed loop in place of a rate: so many clients, each of which begins a stream when its last is over. A whole
   * number from 1 to 100,000. Excludes `rate`, `arrivals` and `findCapacity`.
   */
  closed?: number
  /**
   * For how long streams are begun that count. From 1 ms.
   *
   * @default '10s'
   */
  duration?: Time
  /**
   * For how long streams are begun before that; they do not count. From 0.
   *
   * @default '1s'
   */
  warmup?: Time
  /**
   * `new`: a new connection for each stream. `keep-alive`: an idle one, if there is one.
   *
   * @default 'new'
   */
  connections?: 'new' | 'keep-alive'
  /** Streams that are opened first, stay open, and count nowhere. A whole number from 1 to 1,000,000. */
  hold?: number
  /**
   * Processes that make the load: a whole number from 1 to 64. Where it is not given: one at first; where that has too
   * much to do in the warm-up, the run begins anew with twice as many, up to the machine's cores.
   */
  generators?: number
  /**
   * The request's method. HEAD and CONNECT are refused: their responses have no events.
   *
   * @default 'GET', or 'POST' where there is `data`
   */
  method?: string
  /**
   * The request's header fields: an object, or pairs, as of a list, a `Map` or a `Headers`. They take the place of the profiler's own `host`, `accept`,
   * `cache-control`, `user-agent` and `content-type`. `connection`, `content-length`, `transfer-encoding` and
   * `accept-encoding` are refused.
   */
  headers?: Readonly<Record<string, string>> | Iterable<readonly [name: string, value: string]>
  /** The request's body. Its content type is `application/json` unless `headers` have one. */
  data?: string | Uint8Array
  /** The path of a unix socket to connect to; the URL still has the path, the query and the `host` field. */
  unixSocket?: string
  /** Certificates that are trusted in place of Node's own, in PEM: the text itself, not a path. */
  ca?: string
  /**
   * Whether any certificate is trusted.
   *
   * @default false
   */
  insecure?: boolean
  /** A stream is over after so many events; one that ends before is `truncated`. A whole number from 1. */
  events?: number
  /** A stream is over so long after its intended start, whatever has come. From 1 ms. */
  for?: Time
  /**
   * A stream that is not over so long after its intended start has failed. From 1 ms.
   *
   * @default '10s'
   */
  timeout?: Time
  /**
   * Where an event has the time at which it was sent, so that its latency can be measured. `json:KEY.KEY` and `ms`:
   * ms since 1970 (`Date.now()`), in the event's JSON or as the whole data. `ns:KEY.KEY` and `ns`: nanoseconds of the
   * host's monotonic clock (`process.hrtime.bigint()`).
   */
  stamp?: string
  /** Limits of a good stream, in ms, as an object or as `'ttfb:50,ttfe:500'`: goodput counts streams within all of them. */
  slo?: string | Limits
  /**
   * Conditions that have to hold, as `'ttfb:p99<50'` or `'errors:rate<0.01'`; otherwise the verdict is `threshold`.
   * One without enough samples does not hold.
   */
  thresholds?: readonly string[]
  /** Searches for the highest rate at which this condition holds. */
  findCapacity?: string
  /**
   * How near the result of `findCapacity` comes to the rate that no longer holds: a percentage from 1% to 100%.
   *
   * @default '10%'
   */
  precision?: `${number}%`
  /** Where the server offers its own profile (the plugin's option `profile`): an `http:` or `https:` URL. */
  serverProfile?: string | URL
  /**
   * The token of `serverProfile`.
   *
   * @default `HEADFIRST_TOKEN` in the environment
   */
  token?: string
}

/** All options, so that a misspelt one is found. */
export const OPTIONS: Readonly<Record<keyof ProfileOptions, true>> = {
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
