import { setTimeout as sleep } from 'node:timers/promises'
import { EventScanner } from '../../profiler/client/event-scanner.ts'
import { nowMs } from '../../profiler/clock.ts'
import { randomFrom } from '../../profiler/load/schedule.ts'
import { LoopClock, since, utilisation } from '../../profiler/samples/loop-time.ts'
import { outcomeOf } from '../load/outcome.ts'
import { TargetStreams } from '../load/target-streams.ts'
import type { Target } from '../load/target.ts'
import { Follower } from './follower.ts'
import { CODINGS, KILL_PATH, KINDS, NEWS_PATH, pathsOf, PER_SECOND, type Kind, type Sizes } from './kinds.ts'
import { Tallies } from './tally.ts'
import { Visitor, type Visit } from './visitor.ts'

export interface LoadPlan {
  port: number
  sizes: Sizes
  seed: number
}

export interface Heard {
  /** First bytes of the probes since the last look, in ms from their intended start; Infinity for one that failed. */
  firstByteMs: Float64Array
  /** How late the probes were sent. */
  lagMs: Float64Array
  /** Of the generator's event loop, since the last look: 0 to 1. */
  utilisation: number
}

const PATIENCE_MS = 90_000
const DEAF_MS = 2_000

/** Clients of all kinds, that come at random. */
export class MixedLoad {
  readonly tallies: Tallies = new Tallies()
  /** When the thread of `mortal` was killed, in ms since the beginning. */
  readonly killsMs: number[] = []
  readonly #port: number
  readonly #sizes: Sizes
  readonly #random: () => number
  readonly #beganMs = nowMs()
  readonly #followers: Follower[] = []
  readonly #visits = new Set<Promise<void>>()
  readonly #timers = new Map<string, NodeJS.Timeout>()
  #ending = false
  #firstByteMs: number[] = []
  #lagMs: number[] = []
  readonly #loop = new LoopClock()
  #heardLoop = this.#loop.time()

  constructor({ port, sizes, seed }: LoadPlan) {
    this.#port = port
    this.#sizes = sizes
    this.#random = randomFrom(seed)
  }

  begin(): void {
    for (const kind of KINDS) {
      if (kind === 'news') for (let n = 0; n < this.#sizes.news.followers; n++) this.#note(this.#follow())
      else this.#arrive(kind, nowMs(), 0)
    }
    this.#killLater()
  }

  /** One client on each route. */
  async once(): Promise<void> {
    for (const kind of KINDS) {
      for (const path of pathsOf(kind)) {
        if (kind === 'news') await this.#stopAt(path, { afterEvents: 1, reset: false })
        else await this.#visit(kind, path, nowMs(), 0)
      }
    }
  }

  heard(): Heard {
    const loop = this.#loop.time()
    const heard = {
      firstByteMs: Float64Array.from(this.#firstByteMs),
      lagMs: Float64Array.from(this.#lagMs),
      utilisation: utilisation(since(loop, this.#heardLoop)),
    }
    this.#heardLoop = loop
    this.#firstByteMs = []
    this.#lagMs = []
    return heard
  }

  /** No more clients come; resolves when the last has gone. */
  async end(): Promise<void> {
    this.#ending = true
    for (const follower of this.#followers) follower.end()
    for (const timer of this.#timers.values()) clearTimeout(timer)
    while (this.#visits.size > 0) await Promise.all(this.#visits)
  }

  /** The first client of a kind comes at once, each other at a time of its own, whatever becomes of those before. */
  #arrive(kind: Exclude<Kind, 'news'>, lastMs: number, turn: number): void {
    const gapMs = (-Math.log(1 - this.#random()) * 1_000) / PER_SECOND[kind]
    const atMs = turn === 0 ? lastMs : lastMs + gapMs
    const timer = setTimeout(
      () => {
        const paths = pathsOf(kind)
        this.#note(this.#visit(kind, paths[turn % paths.length] as string, atMs, turn))
        this.#arrive(kind, atMs, turn + 1)
      },
      Math.max(0, atMs - nowMs()),
    )
    this.#timers.set(kind, timer)
  }

  #note(visit: Promise<void>): void {
    const noted = visit.finally(() => this.#visits.delete(noted))
    this.#visits.add(noted)
  }

  /** @param turn of its kind */
  async #visit(kind: Exclude<Kind, 'news'>, path: string, intendedMs: number, turn: number): Promise<void> {
    const { short, long, slow, leave, mortal } = this.#sizes
    switch (kind) {
      case 'probe':
        return this.#take(path, { events: 1 }, intendedMs)
      case 'short': {
        const coding = CODINGS[Math.floor(turn / pathsOf(kind).length) % CODINGS.length]
        return this.#take(path, { events: short.events, coding }, intendedMs)
      }
      case 'long':
        return this.#take(path, { events: long.events }, intendedMs)
      case 'slow':
        return this.#read(path, { restMs: slow.restMs }, slow.events)
      case 'deaf':
        return this.#read(path, { deafForMs: DEAF_MS })
      case 'leave': {
        const afterEvents = 1 + Math.floor(this.#random() * leave.mostEvents)
        return this.#stopAt(path, { afterEvents, reset: this.#random() < 0.5 })
      }
      case 'narrow':
        return this.#take(path, { events: 2 }, intendedMs)
      case 'mortal':
        return this.#take(path, { events: mortal.events }, intendedMs)
      default:
        return kind satisfies never
    }
  }

  /** Takes a stream to its end. */
  async #take(path: string, expected: Pick<Target, 'events' | 'coding'>, intendedMs: number): Promise<void> {
    const streams = new TargetStreams({ port: this.#port, path, ...expected })
    const stream = streams.begin(intendedMs)
    await streams.over(stream, PATIENCE_MS)
    const { reader, body, firstByteMs, lagMs } = stream
    const outcome = outcomeOf(stream, expected.events)
    const isRefused = outcome === 'status' && reader.status === 503
    const isBroken = outcome === 'truncated' || outcome === 'reset'
    this.tallies.count(path, {
      good: outcome === 'good' ? 1 : 0,
      refused: isRefused ? 1 : 0,
      broken: isBroken ? 1 : 0,
      holes: body.inSequence === false ? 1 : 0,
      failed: outcome === 'good' || isRefused || isBroken ? 0 : 1,
      events: body.events,
    })
    if (path !== '/probe') return
    this.#firstByteMs.push(outcome === 'good' ? (firstByteMs ?? Infinity) : Infinity)
    this.#lagMs.push(lagMs)
  }

  async #stopAt(path: string, leave: { afterEvents: number; reset: boolean }): Promise<void> {
    return this.#read(path, { leave })
  }

  /** @param events that a stream has which comes to its end */
  async #read(
    path: string,
    how: Pick<Visit, 'leave' | 'restMs' | 'deafForMs'>,
    events?: number,
  ): Promise<void> {
    const body = new EventScanner()
    const visitor = new Visitor({ port: this.#port, path, body, ...how })
    await visitor.over
    const isGood = visitor.reader.complete && body.events === events
    this.tallies.count(path, {
      good: isGood ? 1 : 0,
      left: visitor.left ? 1 : 0,
      holes: body.inSequence || path === NEWS_PATH ? 0 : 1,
      failed: isGood || visitor.left ? 0 : 1,
      events: body.events,
    })
  }

  async #follow(): Promise<void> {
    const { mostEvents, mostAwayMs } = this.#sizes.news
    const follower = new Follower({ port: this.#port, path: NEWS_PATH, mostEvents, random: this.#random })
    this.#followers.push(follower)
    while (!this.#ending) {
      this.tallies.count(NEWS_PATH, await follower.visit())
      if (!this.#ending) await sleep(this.#random() * mostAwayMs)
    }
  }

  #killLater(): void {
    const timer = setTimeout(() => {
      this.killsMs.push(nowMs() - this.#beganMs)
      // It never comes to its one event.
      this.#note(this.#take(KILL_PATH, { events: 1 }, nowMs()))
      this.#killLater()
    }, this.#sizes.killEveryMs)
    this.#timers.set(KILL_PATH, timer)
  }
}
