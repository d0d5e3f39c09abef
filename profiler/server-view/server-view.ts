/** The server's own view of a run, from headfirst's option `profile` there: utilisation, waits, and what blocked it. */
import { nowMs } from '../clock.ts'
import type { Trust } from '../plan.ts'
import { askServer, type ServerProfile } from './answer.ts'
import { QueueWaits, type QueueWait } from './queue-waits.ts'

export interface ServerView {
  /** Zero of all its seconds, on the monotonic clock of the profiler's host, in ms. */
  startedMs: number
  /** Each thread's utilisation over time. */
  threads: { name: string; points: [seconds: number, share: number][] }[]
  incidents: { atSeconds: number; forMs: number; routes: string[] }[]
  /** Of all the time in which the server was watched. */
  queueWaits: QueueWait[]
  /** Why the view is missing, or is not complete. */
  failure: string | undefined
}

const ASKED_EACH_MS = 1_000
const SHORTEST_MS = 500

/** Gets the server's view once a second. */
export class ServerWatch {
  readonly #ask: (signal?: AbortSignal) => Promise<ServerProfile>
  /** By executor. */
  readonly #queueWaits = new Map<string, QueueWaits>()
  /** Undefined before the server has answered for the first time. */
  #timer: NodeJS.Timeout | undefined
  #startedMs = 0
  #asking: Promise<void> | undefined
  readonly view: ServerView = {
    startedMs: 0,
    threads: [],
    incidents: [],
    queueWaits: [],
    failure: undefined,
  }

  constructor({ url, token }: { url: URL; token: string }, trust: Trust) {
    this.#ask = async (signal) => askServer(url, token, trust, signal)
  }

  /**
   * What came before does not count.
   *
   * @throws when the server does not answer as it should, or the signal aborts
   */
  async begin(signal?: AbortSignal): Promise<void> {
    await this.#ask(signal)
    this.#startedMs = Date.now()
    this.view.startedMs = nowMs()
    this.#timer = setInterval(() => void (this.#asking ??= this.#note()), ASKED_EACH_MS)
  }

  async end(): Promise<ServerView> {
    // A server that has not answered at first is not asked again.
    if (this.#timer === undefined) return this.view
    clearInterval(this.#timer)
    await this.#asking
    await this.#note()
    this.view.queueWaits = [...this.#queueWaits].map(([name, waits]) => waits.of(name))
    return this.view
  }

  async #note(): Promise<void> {
    try {
      const askedMs = Date.now()
      const profile = await this.#ask()
      this.#add(profile, (askedMs + Date.now()) / 2)
    } catch (error) {
      this.view.failure ??= (error as Error).message
    } finally {
      this.#asking = undefined
    }
  }

  #add(profile: ServerProfile, atMs: number): void {
    const { threads, incidents } = this.view
    const seconds = (atMs - this.#startedMs) / 1_000
    // A utilisation of less than half a second is no point of a curve by second.
    for (const { name, utilisation } of profile.sinceMs < SHORTEST_MS ? [] : profile.threads) {
      let thread = threads.find((known) => known.name === name)
      if (thread === undefined) threads.push((thread = { name, points: [] }))
      thread.points.push([seconds, utilisation])
    }
    // The clocks of two machines need not agree.
    const aheadMs = profile.nowMs - atMs
    for (const { atMs: incidentMs, forMs, routes } of profile.blocked) {
      incidents.push({ atSeconds: (incidentMs - aheadMs - this.#startedMs) / 1_000, forMs, routes })
    }
    for (const [executor, told] of Object.entries(profile.queueWaits)) {
      const waits = this.#queueWaits.get(executor) ?? new QueueWaits()
      waits.add(told)
      this.#queueWaits.set(executor, waits)
    }
  }
}
