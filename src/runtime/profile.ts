/**
 * The server's own view for `headfirst profile`: how busy each thread is, how long streams wait for their producer,
 * and whose producer ran when the loop was blocked. Nothing of it exists unless the plugin's option asks for it:
 * so that one can see that, all of it is in this file.
 */
import { createHash, timingSafeEqual } from 'node:crypto'
import { performance } from 'node:perf_hooks'
import { HF_ERR_OPTION_INVALID } from '../errors.ts'
import { show } from '../sse/event.ts'
import type { Executor, ThreadTime } from './executor.ts'
import type { Moments } from './moments.ts'
import { checkOptions, whole, type Rule } from './options.ts'

/** Where a profiler may ask the server how it is. */
export interface ProfileOptions {
  /** The route's path, as `/internal/profile`. It answers GET; without the right token 404, as if there was none. */
  path: string
  /** What the profiler has to send, as `Authorization: Bearer …`. At least 16 characters. */
  token: string
  /** From how many ms on the server's loop counts as blocked. Default 50, from 5 to 60000. */
  blockedMs?: number
}

/** A time for which the server's thread went to no other client. */
export interface BlockedLoop {
  /** When it was seen, in ms since 1970. */
  atMs: number
  forMs: number
  /** Routes that had a producer on the server's thread then: one, if it is known; none, if it was something else. */
  routes: string[]
}

/** What the profile's route answers, with `stats` beside it. All is since it was last asked. */
export interface ProfileAnswer {
  /** The server's clock, in ms since 1970. */
  nowMs: number
  /** For how long, in ms. */
  sinceMs: number
  /** Share of time in which each thread's loop was not waiting, from 0 to 1; the server's own is the first. */
  threads: { name: string; utilisation: number }[]
  /** By executor: from the head until the producer started. */
  queueWaits: Record<
    string,
    {
      count: number
      /** Right to one percent, as the next. */
      p50Ms: number
      p99Ms: number
      maxMs: number
      /**
       * How many have waited about so long, within one percent; shortest first. Answers can be added up by it, as
       * percentiles can't: the same wait is always told by the same number.
       */
      distribution: [waitMs: number, count: number][]
    }
  >
  /** The last 100. */
  blocked: BlockedLoop[]
}

/** What the profiler needs of an executor's slot. */
interface Watched {
  readonly name: string
  readonly executor: Pick<Executor, 'threadTimes'>
}

const SHORTEST_TOKEN = 16
const DEFAULT_BLOCKED_MS = 50
const MOST_INCIDENTS = 100
/** How much more often the loop is looked at than what is looked for lasts. */
const LOOKS = 4

const RULES: Readonly<Record<keyof ProfileOptions, Rule>> = {
  path: [
    "a path, as '/internal/profile'",
    (value) => typeof value === 'string' && /^\/[^\s:*?#]*$/.test(value),
  ],
  token: ['a string', (value) => typeof value === 'string'],
  blockedMs: whole(5, 60_000),
}

/** @throws HF_ERR_OPTION_UNKNOWN, HF_ERR_OPTION_INVALID; none of them shows the token */
export function checkProfile(options: ProfileOptions): Required<ProfileOptions> {
  const place = 'the profile of headfirst'
  const { path, token, blockedMs = DEFAULT_BLOCKED_MS } = checkOptions(options, RULES, place)
  if (path === undefined) throw new HF_ERR_OPTION_INVALID('path', place, RULES.path[0], show(path))
  const expected = `a string of at least ${SHORTEST_TOKEN} characters`
  if (token === undefined) throw new HF_ERR_OPTION_INVALID('token', place, expected, 'none')
  if (token.length < SHORTEST_TOKEN) {
    throw new HF_ERR_OPTION_INVALID('token', place, expected, `one of ${token.length}`)
  }
  return Object.freeze({ path, token, blockedMs })
}

/** Collects what the profile tells. */
export class Profiler {
  readonly #token: Buffer
  readonly #loop: LoopWatch
  readonly #slots = new Map<string, Watched>()
  readonly #waits = new Map<Watched, Waits>()
  /** Of each worker thread, when last asked. */
  readonly #threadTimes = new Map<string, ThreadTime>()
  #own = performance.eventLoopUtilization()
  #askedAt = performance.now()

  constructor({ token, blockedMs }: Required<ProfileOptions>) {
    this.#token = digest(`Bearer ${token}`)
    this.#loop = new LoopWatch(blockedMs)
  }

  /** Watches an executor, also one of a nested registration, and returns what subscribes to its moments. */
  watch(slot: Watched): Moments {
    let name = slot.name
    for (let number = 2; this.#slots.has(name); number++) name = `${slot.name} (${number})`
    this.#slots.set(name, slot)
    return {
      started: ({ route }, { waitedMs, here }) => {
        this.#waited(slot, waitedMs)
        if (here) this.#loop.enter(route)
      },
      held: ({ route }, ms) => this.#loop.ran(route, ms),
      done: ({ route }) => this.#loop.leave(route),
    }
  }

  #waited(slot: Watched, ms: number): void {
    let waits = this.#waits.get(slot)
    if (waits === undefined) this.#waits.set(slot, (waits = new Waits()))
    waits.add(ms)
  }

  /** @returns undefined without the right token */
  answer(authorization: string | undefined): ProfileAnswer | undefined {
    // Digests have one length, so that nothing tells how long the token is.
    if (!timingSafeEqual(digest(authorization ?? ''), this.#token)) return undefined
    const sinceMs = performance.now() - this.#askedAt
    this.#askedAt += sinceMs
    return {
      nowMs: Date.now(),
      sinceMs,
      threads: [{ name: 'server', utilisation: this.#ownUtilisation() }, ...this.#threads()],
      queueWaits: this.#queueWaits(),
      blocked: this.#loop.take(),
    }
  }

  close(): void {
    this.#loop.close()
  }

  #ownUtilisation(): number {
    const now = performance.eventLoopUtilization()
    const { utilization } = performance.eventLoopUtilization(now, this.#own)
    this.#own = now
    return utilization
  }

  #threads(): ProfileAnswer['threads'] {
    const threads: ProfileAnswer['threads'] = []
    for (const [executor, slot] of this.#slots) {
      for (const time of slot.executor.threadTimes?.() ?? []) {
        const name = `${executor} #${time.id}`
        const before = this.#threadTimes.get(name) ?? { activeMs: 0, idleMs: 0 }
        const activeMs = time.activeMs - before.activeMs
        const allMs = activeMs + time.idleMs - before.idleMs
        threads.push({ name, utilisation: allMs > 0 ? activeMs / allMs : 0 })
        this.#threadTimes.set(name, time)
      }
    }
    return threads
  }

  #queueWaits(): ProfileAnswer['queueWaits'] {
    const waits: ProfileAnswer['queueWaits'] = {}
    for (const [name, slot] of this.#slots) {
      const seen = this.#waits.get(slot)
      if (seen === undefined) continue
      waits[name] = seen.answer()
      this.#waits.delete(slot)
    }
    return waits
  }
}

/** From one bucket to the next it is 1.1 %, so that the middle of a bucket is within 0.6 % of all that is in it. */
const BUCKETS_PER_DOUBLING = 64
/** Shorter waits are told as this. */
const SHORTEST_WAIT_MS = 0.001

/** Counts waits in logarithmic buckets. Few of them are ever used, so that they are held and told sparsely. */
class Waits {
  readonly #counts = new Map<number, number>()
  #count = 0
  #maxMs = 0

  add(ms: number): void {
    const bucket = Math.floor(Math.log2(Math.max(SHORTEST_WAIT_MS, ms)) * BUCKETS_PER_DOUBLING)
    this.#counts.set(bucket, (this.#counts.get(bucket) ?? 0) + 1)
    this.#count++
    if (ms > this.#maxMs) this.#maxMs = ms
  }

  answer(): ProfileAnswer['queueWaits'][string] {
    const distribution = [...this.#counts]
      .toSorted(([one], [other]) => one - other)
      .map(([bucket, count]): [number, number] => [2 ** ((bucket + 0.5) / BUCKETS_PER_DOUBLING), count])
    const at = (share: number): number => {
      let before = 0
      const found = distribution.find(([, count]) => (before += count) >= share * this.#count)
      return Math.min(this.#maxMs, found?.[0] ?? 0)
    }
    return { count: this.#count, p50Ms: at(0.5), p99Ms: at(0.99), maxMs: this.#maxMs, distribution }
  }
}

function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest()
}

/** Sees when the loop was blocked: a timer comes late. */
class LoopWatch {
  readonly #blockedMs: number
  readonly #eachMs: number
  readonly #timer: NodeJS.Timeout
  #lookedAt = performance.now()
  /** Producers on this thread, by route. */
  readonly #running = new Map<string, number>()
  /** Routes whose producers are gone since the last look, or have come. */
  readonly #seen = new Set<string>()
  /** What producers have been seen to hold the thread for, since the last look. */
  #explainedMs = 0
  #incidents: BlockedLoop[] = []

  constructor(blockedMs: number) {
    this.#blockedMs = blockedMs
    this.#eachMs = Math.ceil(blockedMs / LOOKS)
    this.#timer = setInterval(() => this.#look(), this.#eachMs).unref()
  }

  enter(route: string): void {
    this.#seen.add(route)
    this.#running.set(route, (this.#running.get(route) ?? 0) + 1)
  }

  leave(route: string): void {
    const left = (this.#running.get(route) ?? 0) - 1
    if (left > 0) this.#running.set(route, left)
    else this.#running.delete(route)
  }

  ran(route: string, ms: number): void {
    this.#explainedMs += ms
    if (ms >= this.#blockedMs) this.#note(ms, [route])
  }

  take(): BlockedLoop[] {
    // The question may come first in the turn after a block.
    this.#look()
    const incidents = this.#incidents
    this.#incidents = []
    return incidents
  }

  close(): void {
    clearInterval(this.#timer)
  }

  #look(): void {
    const now = performance.now()
    const lateMs = now - this.#lookedAt - this.#eachMs - this.#explainedMs
    if (lateMs >= this.#blockedMs) this.#note(lateMs, [...new Set([...this.#running.keys(), ...this.#seen])])
    this.#lookedAt = now
    this.#explainedMs = 0
    this.#seen.clear()
  }

  #note(forMs: number, routes: string[]): void {
    this.#incidents.push({ atMs: Date.now(), forMs, routes })
    if (this.#incidents.length > MOST_INCIDENTS) this.#incidents.shift()
  }
}
