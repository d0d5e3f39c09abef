/**
 * The server's own view for `headfirst profile`: how busy each thread is, how long streams wait for their producer,
 * and whose producer ran when the loop was blocked. Nothing of it exists unless the plugin's option asks for it.
 */
import { createHash, timingSafeEqual } from 'node:crypto'
import { performance } from 'node:perf_hooks'
import { HF_ERR_OPTION_INVALID } from '../errors.ts'
import { show } from '../sse/event.ts'
import type { ThreadTime } from './executor.ts'
import type { BlockedLoop } from './loop-watch.ts'
import type { Moments } from './moments.ts'
import type { Subscriber, Watched } from './observation.ts'
import { checkOptions, whole, type Rule } from './option-rules.ts'
import { Waits, type QueueWaits } from './waits.ts'

/** The route on which `headfirst profile` reads the server's own view. */
export interface ProfileOptions {
  /** The route's path, as `/internal/profile`. It answers GET; without the right token 404, as if there was none. */
  path: string
  /** The profiler sends it as `Authorization: Bearer …`. At least 16 characters. */
  token: string
  /**
   * From how many ms on the server's loop counts as blocked, from 5 to 60000.
   *
   * @default 50
   */
  blockedMs?: number
}

/** What the profile's route answers, with `stats` beside it. All is since the last answer. */
export interface ProfileAnswer {
  /** The server's clock, in ms since 1970. */
  nowMs: number
  /** For how long, in ms. */
  sinceMs: number
  /** Share of time in which each thread's loop was not waiting, from 0 to 1; the server's own is the first. */
  threads: { name: string; utilisation: number }[]
  /** By executor: from the head until the producer started. */
  queueWaits: Record<string, QueueWaits>
  /** The last 100. */
  blocked: BlockedLoop[]
}

const SHORTEST_TOKEN = 16
const DEFAULT_BLOCKED_MS = 50
const MOST_BLOCKS = 100

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

/** Collects what the profile's route answers. */
export class ServerProfile implements Subscriber {
  readonly #token: Buffer
  readonly #slots = new Map<string, Watched>()
  readonly #waits = new Map<Watched, Waits>()
  /** Of each worker thread, at the last answer. */
  readonly #threadTimes = new Map<string, ThreadTime>()
  #blocked: BlockedLoop[] = []
  #own = performance.eventLoopUtilization()
  #askedAt = performance.now()

  constructor({ token }: Pick<ProfileOptions, 'token'>) {
    this.#token = digest(`Bearer ${token}`)
  }

  watch(slot: Watched): Moments {
    let name = slot.name
    for (let number = 2; this.#slots.has(name); number++) name = `${slot.name} (${number})`
    this.#slots.set(name, slot)
    return { started: (_stream, { waitedMs }) => this.#waited(slot, waitedMs) }
  }

  loopBlocked(block: BlockedLoop): void {
    this.#blocked.push(block)
    if (this.#blocked.length > MOST_BLOCKS) this.#blocked.shift()
  }

  #waited(slot: Watched, ms: number): void {
    let waits = this.#waits.get(slot)
    if (waits === undefined) this.#waits.set(slot, (waits = new Waits()))
    waits.add(ms)
  }

  isAllowed(authorization: string | undefined): boolean {
    // Digests have one length, so that the time of the comparison does not depend on the token's.
    return timingSafeEqual(digest(authorization ?? ''), this.#token)
  }

  answer(): ProfileAnswer {
    const sinceMs = performance.now() - this.#askedAt
    this.#askedAt += sinceMs
    const blocked = this.#blocked
    this.#blocked = []
    return {
      nowMs: Date.now(),
      sinceMs,
      threads: [{ name: 'server', utilisation: this.#ownUtilisation() }, ...this.#threads()],
      queueWaits: this.#queueWaits(),
      blocked,
    }
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

function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest()
}
