/**
 * The clients of the soak, in a process of their own. They come at random, in an open loop for each kind, and write down
 * what they have got. `main.ts` starts it.
 */
import { performance, type EventLoopUtilization } from 'node:perf_hooks'
import { setTimeout as sleep } from 'node:timers/promises'
import { createParser } from 'eventsource-parser'
import { nowMs } from '../../profiler/clock.ts'
import { serve } from '../../profiler/load/remote.ts'
import { randomFrom } from '../../profiler/load/schedule.ts'
import { StreamClient, type Target } from '../load/stream-client.ts'
import { CODINGS, KILL_PATH, KINDS, pathsOf, PER_SECOND, type Kind, type Sizes } from './load.ts'
import { Visitor } from './visitor.ts'

/** What the clients of a route have seen. */
export interface Tally {
  streams: number
  /** Had everything to the end. */
  good: number
  /** Were told 503. */
  refused: number
  /** Whose connection broke before the end. */
  broken: number
  /** Went by themselves. */
  left: number
  /** Missed an event, or had one twice, wherever they stopped. */
  holes: number
  /** Anything else. */
  failed: number
  events: number
}

export interface Heard {
  /** First bytes of the probes since the last look, in ms from their intended start; Infinity for one that failed. */
  firstByteMs: Float64Array
  /** How late the probes were sent. */
  lagMs: Float64Array
  /** Of the generator's event loop, since the last look: 0 to 1. */
  utilisation: number
}

interface LoadPlan {
  port: number
  sizes: Sizes
  seed: number
}

export type SoakGeneratorQuestions = {
  /** One stream on each route, so that all has been done once. */
  warmUp(plan: LoadPlan): Promise<void>
  begin(plan: LoadPlan): void
  heard(): Heard
  /** No more clients come; resolves when the last has gone. */
  end(): Promise<{ tallies: Record<string, Tally>; killsMs: number[] }>
}

const PATIENCE_MS = 90_000
const DEAF_MS = 2_000

const NOTHING: Tally = {
  streams: 0,
  good: 0,
  refused: 0,
  broken: 0,
  left: 0,
  holes: 0,
  failed: 0,
  events: 0,
}

/** One run of the load. */
class Load {
  readonly tallies: Record<string, Tally> = {}
  /** When the thread of `mortal` was killed, in ms since the beginning. */
  readonly killsMs: number[] = []
  readonly #port: number
  readonly #sizes: Sizes
  readonly #random: () => number
  readonly #beganMs = nowMs()
  readonly #visits = new Set<Promise<void>>()
  readonly #timers = new Map<string, NodeJS.Timeout>()
  #ending = false
  #firstByteMs: number[] = []
  #lagMs: number[] = []
  #loop: EventLoopUtilization = performance.eventLoopUtilization()

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

  async once(): Promise<void> {
    for (const kind of KINDS) {
      for (const path of pathsOf(kind)) {
        if (kind === 'news') await this.#stopAt(path, { afterEvents: 1, reset: false })
        else await this.#visit(kind, path, nowMs(), 0)
      }
    }
  }

  heard(): Heard {
    const now = performance.eventLoopUtilization()
    const { utilization } = performance.eventLoopUtilization(now, this.#loop)
    this.#loop = now
    const heard = {
      firstByteMs: Float64Array.from(this.#firstByteMs),
      lagMs: Float64Array.from(this.#lagMs),
      utilisation: utilization,
    }
    this.#firstByteMs = []
    this.#lagMs = []
    return heard
  }

  async end(): Promise<void> {
    this.#ending = true
    for (const timer of this.#timers.values()) clearTimeout(timer)
    while (this.#visits.size > 0) await Promise.all(this.#visits)
  }

  /** The first client of a kind comes at once, each other at a time that waits for nobody. */
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
    const client = await new Promise<StreamClient>((resolve) => {
      const made = new StreamClient({ port: this.#port, path, ...expected }, intendedMs, (settled) => {
        clearTimeout(timer)
        resolve(settled)
      })
      const timer = setTimeout(() => made.settle('timeout'), PATIENCE_MS)
    })
    const { outcome, parser, firstByteMs, lagMs } = client
    const isRefused = outcome === 'status' && parser.status === 503
    const isBroken = outcome === 'truncated' || outcome === 'reset'
    this.#count(path, {
      good: outcome === 'good' ? 1 : 0,
      refused: isRefused ? 1 : 0,
      broken: isBroken ? 1 : 0,
      holes: parser.body.inSequence ? 0 : 1,
      failed: outcome === 'good' || isRefused || isBroken ? 0 : 1,
      events: parser.body.events,
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
    how: Pick<ConstructorParameters<typeof Visitor>[0], 'leave' | 'restMs' | 'deafForMs'>,
    events?: number,
  ): Promise<void> {
    const visitor = new Visitor({ port: this.#port, path, ...how })
    await visitor.over
    const { body, complete } = visitor.parser
    const isGood = complete && body.events === events
    this.#count(path, {
      good: isGood ? 1 : 0,
      left: visitor.left ? 1 : 0,
      holes: body.inSequence || path === '/news' ? 0 : 1,
      failed: isGood || visitor.left ? 0 : 1,
      events: body.events,
    })
  }

  /** Follows the news, goes, and comes back with the id of the last event: the numbers go on where they were. */
  async #follow(): Promise<void> {
    const { mostEvents, mostAwayMs } = this.#sizes.news
    let lastId: string | undefined
    let last: number | undefined
    while (!this.#ending) {
      const wanted = 1 + Math.floor(this.#random() * mostEvents)
      let events = 0
      let holes = 0
      const parser = createParser({
        onEvent: ({ id, data, event }) => {
          // What was under way when this client left is not its own any more.
          if (visitor.left) return
          const number = Number(data)
          if (event !== undefined || (last !== undefined && number !== last + 1)) holes++
          last = number
          lastId = id
          events++
          if (events >= wanted || this.#ending) visitor.leave(this.#random() < 0.5)
        },
      })
      const headers: string = lastId === undefined ? '' : `Last-Event-ID: ${lastId}\r\n`
      const visitor: Visitor = new Visitor({
        port: this.#port,
        path: '/news',
        headers,
        onBody: (text) => parser.feed(text),
      })
      await visitor.over
      this.#count('/news', { left: visitor.left ? 1 : 0, failed: visitor.left ? 0 : 1, holes, events })
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

  #count(path: string, seen: Partial<Tally>): void {
    const tally = (this.tallies[path] ??= { ...NOTHING })
    tally.streams++
    for (const [name, count] of Object.entries(seen) as [keyof Tally, number][]) tally[name] += count
  }
}

let load: Load | undefined

function current(): Load {
  if (load === undefined) throw new Error('There is no load')
  return load
}

serve({
  async warmUp(plan) {
    await new Load(plan).once()
  },
  begin(plan) {
    load = new Load(plan)
    load.begin()
  },
  heard: () => current().heard(),
  async end() {
    await current().end()
    return { tallies: current().tallies, killsMs: current().killsMs }
  },
} satisfies SoakGeneratorQuestions)
