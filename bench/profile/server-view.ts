import { request as requestPlainly } from 'node:http'
import { request as requestSecurely } from 'node:https'
import { nowMs } from '../clock.ts'

/** What a server answers where headfirst has the option `profile`: all of it since it was last asked. */
export interface ServerProfile {
  /** The server's clock, in ms since 1970. */
  nowMs: number
  sinceMs: number
  threads: { name: string; utilisation: number }[]
  queueWaits: Record<string, { count: number; p50Ms: number; p99Ms: number; maxMs: number }>
  blocked: { atMs: number; forMs: number; routes: string[] }[]
}

export interface ServerView {
  /** What its seconds count from, on the monotonic clock of the profiler's host, in ms. */
  startedMs: number
  /** Each thread's utilisation over time. */
  threads: { name: string; points: [seconds: number, share: number][] }[]
  incidents: { atSeconds: number; forMs: number; routes: string[] }[]
  /** The most of any second. */
  queueWaits: { executor: string; count: number; p50Ms: number; p99Ms: number; maxMs: number }[]
  /** Why there is none, or not all. */
  failure: string | undefined
}

const ASKED_EACH_MS = 1_000
const WITHIN_MS = 5_000
const SHORTEST_MS = 500
const LONGEST_ANSWER = 4_194_304

/** Asks the server once a second how it is. */
export class ServerWatch {
  readonly #url: URL
  readonly #token: string
  readonly #insecure: boolean
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

  constructor({ url, token }: { url: URL; token: string }, insecure: boolean) {
    this.#url = url
    this.#token = token
    this.#insecure = insecure
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
    const { threads, incidents, queueWaits } = this.view
    const seconds = (atMs - this.#startedMs) / 1_000
    // What a thread did in a moment says nothing of a second.
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
    for (const [executor, waits] of Object.entries(profile.queueWaits)) {
      const known = queueWaits.find((one) => one.executor === executor)
      if (known === undefined) queueWaits.push({ executor, ...waits })
      else {
        known.count += waits.count
        known.p50Ms = Math.max(known.p50Ms, waits.p50Ms)
        known.p99Ms = Math.max(known.p99Ms, waits.p99Ms)
        known.maxMs = Math.max(known.maxMs, waits.maxMs)
      }
    }
  }

  async #ask(): Promise<ServerProfile> {
    const send = this.#url.protocol === 'https:' ? requestSecurely : requestPlainly
    const answer = await new Promise<{ status: number | undefined; text: string }>((resolve, reject) => {
      const request = send(
        this.#url,
        {
          headers: { authorization: `Bearer ${this.#token}`, accept: 'application/json' },
          timeout: WITHIN_MS,
          rejectUnauthorized: !this.#insecure,
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
    if (Array.isArray(profile.threads) && Array.isArray(profile.blocked)) return profile
  } catch {
    // It is said below.
  }
  throw new Error(`${url.href} answers something else than the profile of headfirst`)
}
