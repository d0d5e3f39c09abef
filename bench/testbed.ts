/**
 * The processes of a run: one generator for all of it, and a fresh server for each row.
 */
import { setPriority } from 'node:os'
import { setTimeout as sleep } from 'node:timers/promises'
import { stepsPerMs } from './burn.ts'
import type { GeneratorQuestions, Recording } from './generator.ts'
import { Remote } from './remote.ts'
import type { ServerPlan, ServerQuestions, Snapshot } from './server.ts'
import type { Contender } from './scenarios.ts'
import type { Target } from './stream-client.ts'

/**
 * How far the servers step back behind the generator, as a nice value. Clients of a real server have processors
 * of their own; here they share two cores with it, and a generator that has to queue for one behind the very
 * threads that it loads would be late. Lowering the server takes no privilege, raising the generator would.
 */
const SERVER_NICE = 5

const START_MS = 20_000
const ANSWER_MS = 10_000
/** How long a stream without any queue may take. */
const ALONE_MS = 20_000

/** A user's executor, under the name of its file. */
export interface OwnExecutor {
  name: string
  url: string
}

export class Testbed {
  readonly generator: Remote<GeneratorQuestions>
  readonly own: OwnExecutor | undefined
  readonly #stepsPerMs: number

  constructor(own: OwnExecutor | undefined) {
    this.own = own
    this.generator = new Remote('generator')
    // All that this process starts from now on inherits it, with every thread.
    setPriority(SERVER_NICE)
    this.#stepsPerMs = stepsPerMs()
  }

  /** The contender's name as it is shown. */
  nameOf(contender: Contender): string {
    return contender === 'own' && this.own !== undefined ? this.own.name : contender
  }

  /** Starts a server, hands it over, and stops it. */
  async withServer<T>(plan: ServerPlan, measure: (server: TestServer) => Promise<T>): Promise<T> {
    const remote = new Remote<ServerQuestions>('server')
    try {
      const { port, path } = await remote.ask('start', plan, START_MS)
      return await measure(new TestServer(remote, this.generator, { port, path, events: eventsOf(plan) }))
    } finally {
      await remote.stop()
    }
  }

  /** What a server needs to run a contender's streams, that block for `blockMs` (but `idle`'s do not). */
  blockPlan(contender: Contender, blockMs: number): ServerPlan {
    if (contender === 'idle') {
      return { executor: 'inline', module: undefined, flush: 'event', producer: { name: 'single' } }
    }
    const steps = Math.round(blockMs * this.#stepsPerMs)
    return { ...this.#executorOf(contender), flush: 'event', producer: { name: 'block', input: { steps } } }
  }

  ratePlan(contender: Contender, flush: ServerPlan['flush'], events: number): ServerPlan {
    return { ...this.#executorOf(contender), flush, producer: { name: 'burst', input: { events } } }
  }

  #executorOf(contender: Contender): Pick<ServerPlan, 'executor' | 'module'> {
    return { executor: this.nameOf(contender), module: contender === 'own' ? this.own?.url : undefined }
  }
}

function eventsOf({ producer }: ServerPlan): number {
  switch (producer.name) {
    case 'single':
      return 1
    case 'block':
      return 2
    case 'burst':
      return producer.input.events
    default:
      return producer satisfies never
  }
}

/** A server that listens, and what loads it. */
export class TestServer {
  readonly target: Target
  readonly #remote: Remote<ServerQuestions>
  readonly #generator: Remote<GeneratorQuestions>

  constructor(remote: Remote<ServerQuestions>, generator: Remote<GeneratorQuestions>, target: Target) {
    this.#remote = remote
    this.#generator = generator
    this.target = target
  }

  /** Streams at given times, whatever becomes of those before. */
  async openLoop(schedule: Float64Array, drainMs: number): Promise<Loaded> {
    const timeoutMs = (schedule.at(-1) ?? 0) + drainMs + ANSWER_MS
    return this.#loaded(() =>
      this.#generator.ask('openLoop', { ...this.target, schedule, drainMs }, timeoutMs),
    )
  }

  /** Streams one after another. */
  async closedLoop(streams: number): Promise<Loaded> {
    const plan = { ...this.target, streams, drainMs: ALONE_MS }
    return this.#loaded(() => this.#generator.ask('closedLoop', plan, streams * ALONE_MS))
  }

  async #loaded(load: () => Promise<Recording>): Promise<Loaded> {
    const before = await this.#snapshot()
    const recording = await load()
    const after = await this.#snapshot()
    const loaded = {
      recording,
      activeMs: after.activeMs - before.activeMs,
      cpuMs: after.cpuMs - before.cpuMs,
      rssBytes: after.rssBytes,
    }
    agree(recording, before, after)
    return loaded
  }

  /** Of a moment when no stream is open: the server sees the end of a stream a little later than its client. */
  async #snapshot(): Promise<Snapshot> {
    const deadline = performance.now() + ANSWER_MS
    for (;;) {
      const snapshot = await this.#remote.ask('snapshot', undefined, ANSWER_MS)
      if (snapshot.route.open === 0 || performance.now() > deadline) return snapshot
      await sleep(10)
    }
  }
}

/** What a load did, seen from both sides. */
export interface Loaded {
  recording: Recording
  /** Ms for which the server's own thread was occupied, and its process's CPU time. */
  activeMs: number
  cpuMs: number
  rssBytes: number
}

/**
 * What the server says it has sent is what the clients have received, or the bench has a bug.
 *
 * @throws when they disagree though no stream has failed
 */
function agree(recording: Recording, before: Snapshot, after: Snapshot): void {
  const streams = recording.lagMs.length
  if (recording.outcomes.good !== streams) return
  const sent = {
    streams: (after.route.closed.ended ?? 0) - (before.route.closed.ended ?? 0),
    events: after.route.events - before.route.events,
    bytes: after.route.bytes - before.route.bytes,
  }
  const received = { streams, events: recording.events, bytes: recording.bytes }
  if (sent.streams !== streams || sent.events !== received.events || sent.bytes !== received.bytes) {
    throw new Error(
      `The server has sent ${JSON.stringify(sent)}, but its clients have received ${JSON.stringify(received)}`,
    )
  }
}
