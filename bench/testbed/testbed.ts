/**
 * The processes of a run: one generator, or some, for all of it, and a fresh server for each row.
 */
import type { CloseReason, RouteStats } from 'headfirst'
import { setPriority } from 'node:os'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Heard, Total } from '../load/audience.ts'
import { stepsPerMs } from '../servers/burn.ts'
import { nowMs } from '../../profiler/clock.ts'
import type { Recording } from '../load/recording.ts'
import { Load } from '../load/load.ts'
import { EVENT_BYTES, FRAME_BYTES } from '../servers/payload.ts'
import { PEERS } from '../servers/peers.ts'
import { beside, Remote } from '../../profiler/load/remote.ts'
import type {
  OwnServerQuestions,
  PeerPlan,
  ProducerPlan,
  RouteName,
  RoutePlan,
  ServerPlan,
  ServerQuestions,
  Snapshot,
} from '../servers/server-plan.ts'
import type { Contender, Work } from '../scenarios/contender.ts'
import type { Target } from '../load/target.ts'
import type { Memory, Usage } from '../servers/usage.ts'

/**
 * How far the servers step back behind the generator, as a nice value. Clients of a real server have processors
 * of their own; here they share two cores with it, and a generator that has to queue for one behind the very
 * threads that it loads would be late. Lowering the server takes no privilege, raising the generator would.
 */
const SERVER_NICE = 5

const START_MS = 20_000
const ANSWER_MS = 10_000
/** Between the last stream's opening and a look at what open streams cost. */
const SETTLING_MS = 300
/** How long the garbage of a server with many streams may take. */
const COLLECTING_MS = 60_000
/** How long thousands of streams may take to end. */
const ENDING_MS = 60_000
/** How long a stream without any queue may take. */
const ALONE_MS = 20_000

/** Idle streams are opened so many at a time. */
const OPENED_AT_A_TIME = 32

/** Streams of one worker thread that wait for timers. */
const TOGETHER = 1_000

/** A user's executor, under the name of its file. */
export interface OwnExecutor {
  name: string
  url: string
}

/** A user's producer, under the name of its file. */
export interface OwnProducer extends OwnExecutor {
  /** Whether its streams wait more than they compute, so that a worker thread may run many of them. */
  waits: boolean
}

export class Testbed {
  readonly #load: Load
  readonly own: OwnExecutor | undefined
  producer: OwnProducer | undefined
  readonly #stepsPerMs: number

  /** @param generators processes that make the load */
  constructor(own: OwnExecutor | undefined, generators: number) {
    this.own = own
    this.#load = new Load(generators)
    // All that this process starts from now on inherits it, with every thread.
    setPriority(SERVER_NICE)
    this.#stepsPerMs = stepsPerMs()
  }

  /** The contender's name as it is shown. */
  nameOf(contender: Contender | 'naive'): string {
    return contender === 'own' && this.own !== undefined ? this.own.name : contender
  }

  /** Starts a server, hands it over, and stops it. */
  async withServer<T>(plan: ServerPlan, measure: (server: TestServer) => Promise<T>): Promise<T> {
    return this.#with('server', plan, FRAME_BYTES, measure)
  }

  /** The same for a server of another library. */
  async withPeer<T>(plan: PeerPlan, measure: (server: TestServer) => Promise<T>): Promise<T> {
    return this.#with('peer-server', plan, PEERS[plan.peer].frameBytes, measure)
  }

  async #with<T>(
    name: string,
    plan: ServerPlan | PeerPlan,
    frameBytes: number,
    measure: (server: TestServer) => Promise<T>,
  ): Promise<T> {
    const remote = new Remote<ServerQuestions<ServerPlan | PeerPlan>>(
      beside(import.meta.url, `../servers/${name}`),
      ['--expose-gc'],
    )
    try {
      const { port, paths } = await remote.ask('start', plan, START_MS)
      const tls = 'tls' in plan && plan.tls
      return await measure(
        new TestServer(remote, this.#load, {
          main: { port, path: paths.main, tls, ...expected(plan, frameBytes) },
          beside: { port, path: paths.beside, tls, ...expected(plan.beside ?? plan, frameBytes) },
        }),
      )
    } finally {
      await remote.stop()
    }
  }

  /** What a server needs to run a contender's streams, that work for `blockMs` (but `idle`'s do not). */
  blockPlan(contender: Contender, blockMs: number, work: Work = 'compute'): ServerPlan {
    if (contender === 'idle') {
      return { executor: 'inline', module: undefined, flush: 'event', producer: { name: 'single' } }
    }
    const plan = { ...this.executorOf(contender), flush: 'event' } as const
    if (work === 'compute') return { ...plan, producer: this.blockFor(blockMs) }
    const together = { workers: { streamsPerThread: TOGETHER } }
    if (work === 'own') {
      if (this.producer === undefined) throw new Error('There is no producer of a user')
      const { url, waits } = this.producer
      return { ...plan, producer: { name: 'own', module: url }, ...(waits ? together : {}) }
    }
    const producer = { name: work === 'sleep' ? 'nap' : 'pause', input: { ms: blockMs } } as const
    // Streams that wait share a thread as they would share the server's.
    return { ...plan, producer, ...(work === 'wait' ? together : {}) }
  }

  /** A producer that computes for so long on an idle core. */
  blockFor(blockMs: number): RoutePlan['producer'] {
    return { name: 'block', input: { steps: Math.round(blockMs * this.#stepsPerMs) } }
  }

  ratePlan(contender: Contender, flush: ServerPlan['flush'], events: number): ServerPlan {
    const input = { events, data: 'string', eventBytes: EVENT_BYTES } as const
    return { ...this.executorOf(contender), flush, producer: { name: 'burst', input } }
  }

  executorOf(contender: Contender | 'naive'): Pick<ServerPlan, 'executor' | 'module'> {
    return { executor: this.nameOf(contender), module: contender === 'own' ? this.own?.url : undefined }
  }
}

/** What a client will see of a plan's streams. */
function expected(
  { producer, coding }: Pick<RoutePlan, 'producer' | 'coding'>,
  frameBytes: number,
): Pick<Target, 'events' | 'shape' | 'coding'> {
  return { ...eventsOf(producer, frameBytes), coding }
}

function eventsOf(producer: ProducerPlan, frameBytes: number): Pick<Target, 'events' | 'shape'> {
  switch (producer.name) {
    case 'own':
      return { events: undefined }
    case 'subscribe':
    case 'wait':
      return { events: 0 }
    case 'single':
      return { events: 1 }
    case 'block':
    case 'nap':
    case 'pause':
      return { events: 2 }
    case 'burst': {
      const { events, eventBytes } = producer.input
      return { events, shape: { bytes: eventBytes - FRAME_BYTES + frameBytes, stamped: false } }
    }
    case 'hub':
      return { events: undefined, shape: { bytes: EVENT_BYTES, stamped: true } }
    case 'ticker':
      return { events: producer.input.events, shape: { bytes: EVENT_BYTES, stamped: true } }
    default:
      return producer satisfies never
  }
}

/** What is asked of a server that listens. */
type Watched = Omit<ServerQuestions, 'start'>

/** A server that listens, and what loads it. */
export class TestServer {
  readonly #remote: Remote<Watched>
  readonly #load: Load
  readonly #targets: Record<RouteName, Target>

  constructor(remote: Remote<Watched>, load: Load, targets: Record<RouteName, Target>) {
    this.#remote = remote
    this.#load = load
    this.#targets = targets
  }

  /** Streams at given times, whatever becomes of those before. */
  async openLoop(schedule: Float64Array, drainMs: number, route: RouteName = 'main'): Promise<Loaded> {
    const timeoutMs = (schedule.at(-1) ?? 0) + drainMs + ANSWER_MS
    return this.#loaded(route, (target) => this.#load.openLoop(target, schedule, drainMs, timeoutMs))
  }

  /** A number of streams, one after another, or as many at a time. */
  async closedLoop(
    streams: number,
    { atATime = 1, drainMs = ALONE_MS, route = 'main' }: ClosedLoopSettings = {},
  ): Promise<Loaded> {
    return this.#loaded(route, (target) =>
      this.#load.closedLoop({ ...target, streams, atATime, drainMs }, streams * drainMs + ANSWER_MS),
    )
  }

  /**
   * What the server does for a while in which a number of streams are open all the time.
   *
   * @throws when they are not
   */
  async whileOpen(streams: number, forMs: number): Promise<Look> {
    const snapshot = async (): Promise<Snapshot> => this.#remote.ask('snapshot', undefined, ANSWER_MS)
    const deadline = performance.now() + ANSWER_MS
    while ((await snapshot()).open.main < streams && performance.now() < deadline) await sleep(20)
    await sleep(SETTLING_MS)
    const before = await snapshot()
    const fromMs = nowMs()
    await sleep(forMs)
    const after = await snapshot()
    const untilMs = nowMs()
    for (const { open } of [before, after]) {
      if (open.main !== streams) throw new Error(`${open.main} of ${streams} streams are open`)
    }
    const { mainCpuMs, cpuMs } = difference(before, after)
    return { mainCpuMs, cpuMs, fromMs, untilMs }
  }

  /**
   * Opens more streams, and keeps them.
   *
   * @param settlingMs after the last
   * @returns what the server holds with all of them
   * @throws when one of them has not come to its head, or is over
   */
  async hold(streams: number, settlingMs = 0): Promise<Memory> {
    const plan = { ...this.#targets.main, streams, atATime: OPENED_AT_A_TIME }
    const open = await this.#load.hold(plan, streams * ALONE_MS + ANSWER_MS)
    await sleep(settlingMs)
    const held = await this.#remote.ask('memory', undefined, COLLECTING_MS)
    const seen = (await this.#remote.ask('snapshot', undefined, ANSWER_MS)).open.main
    if (seen !== open) throw new Error(`${seen} of ${open} streams are open`)
    return held
  }

  /**
   * What the server does while streams are held and others come to the second route.
   */
  async besideHeld(
    schedule: Float64Array,
    drainMs: number,
  ): Promise<Loaded & { forMs: number; heard: Heard }> {
    const { port } = this.#targets.main
    await this.#load.heard(port, ANSWER_MS)
    const fromMs = nowMs()
    const loaded = await this.openLoop(schedule, drainMs, 'beside')
    const heard = await this.#load.heard(port, ANSWER_MS)
    return { ...loaded, forMs: nowMs() - fromMs, heard }
  }

  /**
   * Ends the streams of all hubs, from the server's side.
   *
   * @throws when one of them was not whole, or when its server says that it has sent something else
   */
  async endHeld(): Promise<Total> {
    await (this.#remote as unknown as Remote<Pick<OwnServerQuestions, 'endHubs'>>).ask(
      'endHubs',
      undefined,
      ANSWER_MS,
    )
    const total = await this.#load.over(this.#targets.main.port, ENDING_MS)
    const { routes } = await this.#quiet('main')
    const sent = routes?.main
    const received = { streams: total.outcomes.good ?? 0, events: total.events, bytes: total.bytes }
    const agrees =
      sent !== undefined &&
      (sent.closed.ended ?? 0) === received.streams &&
      sent.events === received.events &&
      sent.bytes === received.bytes
    if (agrees && total.holes === 0 && received.streams === total.streams) return total
    throw new Error(
      `The server has sent ${JSON.stringify(sent)}, but its clients have received ${JSON.stringify(total)}`,
    )
  }

  /** Lets go of all streams that are held. */
  async release(): Promise<void> {
    await this.#load.release(this.#targets.main.port, ANSWER_MS)
  }

  async #loaded(route: RouteName, load: (target: Target) => Promise<Recording>): Promise<Loaded> {
    const before = await this.#quiet(route)
    const recording = await load(this.#targets[route])
    const after = await this.#quiet(route)
    if (before.routes !== undefined && after.routes !== undefined) {
      agree(recording, before.routes[route], after.routes[route])
    }
    return { recording, ...difference(before, after) }
  }

  /** A moment when no stream is open: the server sees the end of a stream a little later than its client. */
  async #quiet(route: RouteName): Promise<Snapshot> {
    const deadline = performance.now() + ANSWER_MS
    for (;;) {
      const snapshot = await this.#remote.ask('snapshot', undefined, ANSWER_MS)
      if (snapshot.open[route] === 0 || performance.now() > deadline) return snapshot
      await sleep(10)
    }
  }
}

/** A look at a server for a while, from and until then on the host's clock. */
interface Look extends Pick<Loaded, 'mainCpuMs' | 'cpuMs'> {
  fromMs: number
  untilMs: number
}

interface ClosedLoopSettings {
  /** How many streams at a time. */
  atATime?: number
  /** How long one stream may take. */
  drainMs?: number
  route?: RouteName
}

function difference(before: Usage, after: Usage): Omit<Loaded, 'recording'> {
  return {
    activeMs: after.activeMs - before.activeMs,
    cpuMs: after.cpuMs - before.cpuMs,
    mainCpuMs: (after.mainCpuMs ?? NaN) - (before.mainCpuMs ?? NaN),
    rssBytes: after.rssBytes,
  }
}

/** What a load did, seen from both sides. */
export interface Loaded {
  recording: Recording
  /** Ms for which the server's own thread was occupied, and its process's CPU time. */
  activeMs: number
  cpuMs: number
  /** CPU time of the server's own thread; NaN where it can't be measured. */
  mainCpuMs: number
  rssBytes: number
}

/**
 * What the server says it has sent is what the clients have received, or the bench has a bug.
 *
 * @throws when they disagree though no stream has failed
 */
function agree(recording: Recording, before: RouteStats, after: RouteStats): void {
  const streams = recording.lagMs.length
  if (recording.outcomes.good !== streams) return
  const others = Object.entries(after.closed).filter(
    ([reason, count]) => reason !== 'ended' && count !== (before.closed[reason as CloseReason] ?? 0),
  )
  if (others.length > 0) {
    throw new Error(`Streams were over for the server by ${others.map(([reason]) => reason).join(', ')}`)
  }
  const sent = {
    streams: (after.closed.ended ?? 0) - (before.closed.ended ?? 0),
    events: after.events - before.events,
    bytes: after.bytes - before.bytes,
  }
  const received = { streams, events: recording.events, bytes: recording.bytes }
  if (sent.streams !== streams || sent.events !== received.events || sent.bytes !== received.bytes) {
    throw new Error(
      `The server has sent ${JSON.stringify(sent)}, but its clients have received ${JSON.stringify(received)}`,
    )
  }
}
