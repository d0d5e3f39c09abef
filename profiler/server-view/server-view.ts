/** The server's own view of a run, from headfirst's option `profile` there: utilisation, waits, and what blocked it. */
import { request as requestPlainly } from 'node:http'
import { request as requestSecurely } from 'node:https'
import { nowMs } from '../clock.ts'
import type { Trust } from '../plan.ts'
import { QueueWaits, type QueueWait, type WaitDistribution } from './queue-waits.ts'

/** One answer of the server: all of it since the answer before. */
export interface ServerProfile {
  /** The server's clock, in ms since 1970. */
  nowMs: number
  sinceMs: number
  threads: { name: string; utilisation: number }[]
  /** By executor. Percentiles of a whole run need the distributions of all its answers. */
  queueWaits: Record<string, { maxMs: number; distribution: WaitDistribution }>
  blocked: { atMs: number; forMs: number; routes: string[] }[]
}

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
const WITHIN_MS = 5_000
const SHORTEST_MS = 500
const LONGEST_ANSWER = 4_194_304

/** Gets the server's view once a second. */
export class ServerWatch {
  readonly #url: URL
  readonly #token: string
  readonly #trust: Trust
  /** By executor. */
  readonly #queueWaits = new Map<string, QueueWaits>()
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
    this.#url = url
    this.#token = token
    this.#trust = trust
  }

  /**
   * What came before does not count.
   *
   * @throws when the server does not answer as it should
   */
  async begin(): Promise<void> {
    await this.#ask()
    this.#startedMs = Date.now()
    this.view.startedMs = nowMs()
    this.#timer = setInterval(() => void (this.#asking ??= this.#note()), ASKED_EACH_MS)
  }

  async end(): Promise<ServerView> {
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

  async #ask(): Promise<ServerProfile> {
    const send = this.#url.protocol === 'https:' ? requestSecurely : requestPlainly
    const { ca, insecure } = this.#trust
    const answer = await new Promise<{ status: number | undefined; text: string }>((resolve, reject) => {
      const request = send(
        this.#url,
        {
          headers: { authorization: `Bearer ${this.#token}`, accept: 'application/json' },
          timeout: WITHIN_MS,
          rejectUnauthorized: !insecure,
          ...(ca === undefined ? {} : { ca }),
        },
        (response) => {
          let text = ''
          response.setEncoding('utf8')
          response.on('data', (part: string) => {
            text += part
            if (text.length > LONGEST_ANSWER) request.destroy(new Error('the answer is too long'))
          })
          response.on('end', () => resolve({ status: response.statusCode, text }))
          response.on('error', reject)
        },
      )
      request.on('timeout', () => request.destroy(new Error(`no answer within ${WITHIN_MS} ms`)))
      request.on('error', reject)
      request.end()
    })
    if (answer.status === 404) {
      throw new Error(
        `${this.#url.href} answers 404: is headfirst registered there with profile: { path, token }, and is the token that one?`,
      )
    }
    if (answer.status !== 200) throw new Error(`${this.#url.href} answers ${answer.status}`)
    return profileIn(answer.text, this.#url)
  }
}

function profileIn(text: string, url: URL): ServerProfile {
  try {
    const profile = JSON.parse(text) as ServerProfile
    const waits = Object.values(profile.queueWaits)
    const isWhole = waits.every(({ distribution }) => Array.isArray(distribution))
    if (isWhole && Array.isArray(profile.threads) && Array.isArray(profile.blocked)) return profile
  } catch {
    // The error below is the same for what is no JSON and for another shape.
  }
  throw new Error(`${url.href} answers something else than the profile of headfirst`)
}
