import { setTimeout as sleep } from 'node:timers/promises'
import { showLine } from '../../profiler/command/progress.ts'
import { beside, Remote } from '../../profiler/load/remote.ts'
import { median, rank } from '../../profiler/samples/percentiles.ts'
import { factsOf } from '../report/run-facts.ts'
import type { Arguments } from './arguments.ts'
import type { SoakGeneratorQuestions } from './generator.ts'
import { sizes } from './kinds.ts'
import type { SoakResults } from './results.ts'
import type { Count, Held, SoakServerQuestions } from './server.ts'

const SAMPLE_MS = 5_000
const QUICK_SAMPLE_MS = 500
const ANSWER_MS = 30_000
/** The last clients may take so long to have everything. */
const END_MS = 120_000
const QUIET_MS = 15_000

/** The server and its clients, from the first to the last. */
export class Soak {
  readonly results: SoakResults
  readonly #args: Arguments
  readonly #server = new Remote<SoakServerQuestions>(beside(import.meta.url, './server'), ['--expose-gc'])
  readonly #generator = new Remote<SoakGeneratorQuestions>(beside(import.meta.url, './generator'))

  constructor(args: Arguments) {
    this.#args = args
    this.results = {
      ...factsOf(args),
      minutes: args.minutes,
      before: undefined,
      samples: [],
      firstByteMs: [],
      lagMs: [],
      counts: {},
      tallies: {},
      killsMs: [],
      after: undefined,
      closedAfterMs: undefined,
    }
  }

  async run(): Promise<void> {
    try {
      await this.#run()
      await Promise.all([this.#server.stop(), this.#generator.stop()])
    } finally {
      showLine('')
    }
  }

  async #run(): Promise<void> {
    const { results } = this
    const { quick, seed, minutes } = this.#args
    const load = sizes(quick)
    const { port } = await this.#server.ask('start', load, ANSWER_MS)
    showLine('every route once')
    await this.#generator.ask('warmUp', { port, sizes: load, seed }, END_MS)
    results.before = await this.#quiet()
    const countsBefore = await this.#server.ask('counts', undefined, ANSWER_MS)

    await this.#generator.ask('begin', { port, sizes: load, seed: seed + 1 }, ANSWER_MS)
    const beganAt = performance.now()
    const untilMs = minutes * 60_000
    const everyMs = quick ? QUICK_SAMPLE_MS : SAMPLE_MS
    for (let atMs = everyMs; atMs <= untilMs + 1; atMs += everyMs) {
      await sleep(Math.max(0, beganAt + atMs - performance.now()))
      await this.#sample((performance.now() - beganAt) / 1_000)
    }
    showLine('the last clients')
    const { tallies, killsMs } = await this.#generator.ask('end', undefined, END_MS)
    results.killsMs = killsMs
    results.after = await this.#quiet()
    results.counts = difference(await this.#server.ask('counts', undefined, ANSWER_MS), countsBefore)
    results.tallies = tallies
    results.closedAfterMs = await this.#server.ask('close', undefined, ANSWER_MS)
  }

  async #sample(atSeconds: number): Promise<void> {
    const { results } = this
    const [held, heard] = await Promise.all([
      this.#server.ask('held', undefined, ANSWER_MS),
      this.#generator.ask('heard', undefined, ANSWER_MS),
    ])
    const { firstByteMs, lagMs, utilisation } = heard
    results.samples.push({
      ...held,
      atSeconds,
      ttfbP50Ms: median(firstByteMs),
      ttfbP99Ms: rank(firstByteMs.toSorted(), 0.99),
      generatorUtilisation: utilisation,
    })
    results.firstByteMs.push(...firstByteMs)
    results.lagMs.push(...lagMs)
    const megabytes = (held.heapBytes / 1e6).toFixed(1)
    showLine(
      `${Math.round(atSeconds)} of ${Math.round(this.#args.minutes * 60)} s: ${held.open} streams open, heap ${megabytes} MB, TTFB p50 ${median(firstByteMs).toFixed(1)} ms`,
    )
  }

  /** What the server holds when nothing is open; or what it still holds after a while. */
  async #quiet(): Promise<Held> {
    const deadline = performance.now() + QUIET_MS
    for (;;) {
      const held = await this.#server.ask('held', undefined, ANSWER_MS)
      const isQuiet = held.open + held.running + held.connections === 0
      if (isQuiet || performance.now() > deadline) return held
      await sleep(100)
    }
  }
}

function difference(after: Record<string, Count>, before: Record<string, Count>): Record<string, Count> {
  const since = (path: string, { opened, open, events, closed }: Count): Count => {
    const earlier = before[path]
    const reasons = Object.entries(closed) as [keyof Count['closed'], number][]
    const left = reasons.map(([reason, times]) => [reason, times - (earlier?.closed[reason] ?? 0)] as const)
    return {
      opened: opened - (earlier?.opened ?? 0),
      open,
      events: events - (earlier?.events ?? 0),
      closed: Object.fromEntries(left.filter(([, times]) => times > 0)),
    }
  }
  return Object.fromEntries(Object.entries(after).map(([path, count]) => [path, since(path, count)]))
}
