/**
 * The load generator: a process of its own, so that it shares no event loop, heap or garbage collector with the
 * server. It is asked for one recording at a time. `generators.ts` starts it, and may start several.
 *
 * Why its numbers can be trusted: arrivals follow a schedule made beforehand and wait for nobody; every time is
 * counted from the intended start; each recording says how late the generator was, how busy its loop was, and
 * how much of the schedule it kept, so that a generator that could not keep up gives itself away.
 */
import { performance } from 'node:perf_hooks'
import { Audience, type Heard, type Total } from './audience.ts'
import { nowMs } from '../../profiler/clock.ts'
import { serve } from '../../profiler/load/remote.ts'
import { StreamClient, type Outcome, type Target } from './stream-client.ts'

/** What came of a number of streams. Arrays are by arrival; times in ms since each intended start. */
export interface Recording {
  lagMs: Float64Array
  /** Infinity for a stream that was not good. */
  firstByteMs: Float64Array
  firstEventMs: Float64Array
  lastEventMs: Float64Array
  outcomes: Partial<Record<Outcome, number>>
  /** Events and bytes of the body received, on all streams; the bytes without their content coding. */
  events: number
  bytes: number
  /** All bytes read: heads, framing, and bodies in their content coding. */
  wireBytes: number
  /** When each event was sent, on the host's clock, and from then to its receipt; empty where none is stamped. */
  stampsMs: Float64Array
  latenciesMs: Float64Array
  /** Of the generator's event loop, 0 to 1, waiting by polling included. */
  utilisation: number
  /** CPU time of the generator's process. */
  cpuMs: number
  /** From the first intended start to the last actual one. */
  sentForMs: number
}

interface OpenLoopPlan extends Target {
  /** Ms since the start, ascending. */
  schedule: Float64Array
  /** The start, on the host's monotonic clock. */
  startMs: number
  /** Streams that are not complete this long after the start count as timed out. */
  overMs: number
}

export interface ClosedLoopPlan extends Target {
  /** How many streams. */
  streams: number
  /** How many of them at a time: as one ends, the next begins. */
  atATime: number
  drainMs: number
}

export interface HoldPlan extends Target {
  /** Which of several generators this is, from 0. */
  place: number
  /** How many more streams are to be open, and how many of them are opened at a time. */
  streams: number
  atATime: number
}

// A type and not an interface: those have no index signature.
export type GeneratorQuestions = {
  openLoop(plan: OpenLoopPlan): Promise<Recording>
  closedLoop(plan: ClosedLoopPlan): Promise<Recording>
  /** @returns how many streams are held now, with their heads received */
  hold(plan: HoldPlan): Promise<number>
  release(server: Pick<HoldPlan, 'port'>): void
  /** @returns what those that are held have received since this was asked last */
  heard(server: Pick<HoldPlan, 'port'>): Heard
  /** Resolves when the server has ended them all. */
  over(server: Pick<HoldPlan, 'port'>): Promise<Total>
}

/**
 * Timers are only good to a millisecond. The last bit before an arrival is waited for by polling the loop,
 * which also reads what comes in without delay.
 */
const POLLED_MS = 1

/** Opens one stream after another at the times of the schedule. */
async function openLoop(plan: OpenLoopPlan): Promise<Recording> {
  const { schedule, startMs, overMs } = plan
  const clients: StreamClient[] = []
  const settled = new Latch(schedule.length)
  const busy = new Busy()
  let sentForMs = 0

  const arrive = (): void => {
    for (;;) {
      const offsetMs = schedule[clients.length]
      if (offsetMs === undefined) return
      const leftMs = startMs + offsetMs - nowMs()
      if (leftMs > POLLED_MS + 1) {
        setTimeout(arrive, Math.floor(leftMs - POLLED_MS))
        return
      }
      if (leftMs > 0) {
        setImmediate(arrive)
        return
      }
      sentForMs = nowMs() - startMs
      clients.push(new StreamClient(plan, startMs + offsetMs, () => settled.count()))
    }
  }
  arrive()
  await settled.within(startMs - nowMs() + overMs)
  for (const client of clients) client.settle('timeout')
  return record(clients, busy, sentForMs)
}

/** Opens a stream whenever one is over: for times without any queue, or a number of streams at a time. */
async function closedLoop(plan: ClosedLoopPlan): Promise<Recording> {
  const clients: StreamClient[] = []
  const busy = new Busy()
  const startMs = nowMs()
  await severally(plan, async () => {
    const settled = new Latch(1)
    const client = new StreamClient(plan, nowMs(), () => settled.count())
    clients.push(client)
    await settled.within(plan.drainMs)
    client.settle('timeout')
  })
  return record(clients, busy, nowMs() - startMs)
}

/** Does something for a number of streams, so many at a time: as one is done, the next begins. */
async function severally(
  { streams, atATime }: Pick<ClosedLoopPlan, 'streams' | 'atATime'>,
  once: () => Promise<void>,
): Promise<void> {
  let begun = 0
  const oneAfterAnother = async (): Promise<void> => {
    while (begun < streams) {
      begun++
      await once()
    }
  }
  await Promise.all(Array.from({ length: atATime }, oneAfterAnother))
}

/** Streams that are kept open, by the port of their server. */
const held = new Map<number, Audience>()

async function hold(plan: HoldPlan): Promise<number> {
  const { port, place } = plan
  const audience = held.get(port) ?? new Audience(place)
  held.set(port, audience)
  await severally(plan, async () => audience.open(plan))
  return audience.size
}

function audienceOf({ port }: Pick<HoldPlan, 'port'>): Audience {
  const audience = held.get(port)
  if (audience === undefined) throw new Error(`No stream of port ${port} is held`)
  return audience
}

function release(server: Pick<HoldPlan, 'port'>): void {
  held.get(server.port)?.leave()
  held.delete(server.port)
}

/** How busy this process is, from when it was made. */
class Busy {
  readonly #loop = performance.eventLoopUtilization()
  readonly #cpu = process.cpuUsage()

  soFar(): { utilisation: number; cpuMs: number } {
    const { user, system } = process.cpuUsage(this.#cpu)
    return {
      utilisation: performance.eventLoopUtilization(this.#loop).utilization,
      cpuMs: (user + system) / 1_000,
    }
  }
}

function record(clients: readonly StreamClient[], busy: Busy, sentForMs: number): Recording {
  const ofGood = (time: (client: StreamClient) => number | undefined): Float64Array =>
    Float64Array.from(clients, (client) => (client.outcome === 'good' ? time(client) : undefined) ?? Infinity)
  const outcomes: Partial<Record<Outcome, number>> = {}
  for (const { outcome = 'timeout' } of clients) outcomes[outcome] = (outcomes[outcome] ?? 0) + 1
  return {
    lagMs: Float64Array.from(clients, ({ lagMs }) => lagMs),
    firstByteMs: ofGood((client) => client.firstByteMs),
    firstEventMs: ofGood((client) => client.firstEventMs),
    lastEventMs: ofGood((client) => client.lastEventMs),
    outcomes,
    events: sum(clients, ({ parser }) => parser.body.events),
    bytes: sum(clients, ({ parser }) => parser.body.bytes),
    wireBytes: sum(clients, (client) => client.wireBytes),
    stampsMs: Float64Array.from(clients.flatMap(({ parser }) => parser.body.stampsMs ?? [])),
    latenciesMs: Float64Array.from(clients.flatMap(({ parser }) => parser.body.latenciesMs ?? [])),
    ...busy.soFar(),
    sentForMs,
  }
}

function sum(clients: readonly StreamClient[], of: (client: StreamClient) => number): number {
  return clients.reduce((total, client) => total + of(client), 0)
}

/** Opens after a number of counts, or when time is over. */
class Latch {
  #missing: number
  #open: () => void = () => {}
  readonly #opened = new Promise<void>((resolve) => (this.#open = resolve))

  constructor(counts: number) {
    this.#missing = counts
    if (counts === 0) this.#open()
  }

  count(): void {
    if (--this.#missing === 0) this.#open()
  }

  async within(ms: number): Promise<void> {
    const timer = setTimeout(this.#open, ms)
    await this.#opened
    clearTimeout(timer)
  }
}

serve({
  openLoop,
  closedLoop,
  hold,
  release,
  heard: (server) => audienceOf(server).heard(),
  over: async (server) => audienceOf(server).over(),
} satisfies GeneratorQuestions)
