import { setTimeout as sleep } from 'node:timers/promises'
import { nowMs } from '../../profiler/clock.ts'
import type { Remote } from '../../profiler/load/remote.ts'
import type { Heard, Total } from '../load/audience.ts'
import type { Load } from '../load/load.ts'
import type { Recording } from '../load/recording.ts'
import type { Target } from '../load/target.ts'
import type { OwnServerQuestions, RouteName, ServerQuestions, Snapshot } from '../servers/server-plan.ts'
import type { Memory, Usage } from '../servers/usage.ts'
import { agree } from './agreement.ts'

const ANSWER_MS = 10_000
/** Between the last stream's opening and the measurement of what open streams cost. */
const SETTLING_MS = 300
/** How long the garbage of a server with many streams may take. */
const COLLECTING_MS = 60_000
/** How long thousands of streams may take to end. */
const ENDING_MS = 60_000
/** How long a stream without any queue may take. */
const ALONE_MS = 20_000
/** Idle streams are opened so many at a time. */
const OPENED_AT_A_TIME = 32

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
   * @throws when one of them was not whole, or when its server has counted something else as sent
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

/** What a server did for a while, from and until then on the host's clock. */
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
