/**
 * The load generator: a process of its own, so that it shares no event loop, heap or garbage collector with the
 * server. It is asked for one recording at a time. `load.ts` starts it, and may start several.
 *
 * Why its numbers can be trusted: arrivals follow a schedule made beforehand, whatever becomes of those before; every
 * time is counted from the intended start; each recording holds how late the generator was, how busy its loop was, and
 * how much of the schedule it kept, so that one that could not keep up is found.
 */
import { nowMs } from '../../profiler/clock.ts'
import { serve } from '../../profiler/load/remote.ts'
import { severally } from '../../profiler/load/severally.ts'
import { Timetable } from '../../profiler/load/timetable.ts'
import { shareOf, type Part } from '../../profiler/parts.ts'
import { Audience, type Heard, type Total } from './audience.ts'
import { RecordedStreams, type Recording } from './recording.ts'
import type { Target } from './target.ts'

interface OpenLoopPlan extends Target {
  /** Ms since the start, ascending; and the part of it that is this generator's. */
  schedule: Float64Array
  part: Part
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

/** Opens one stream after another at the times of the schedule. */
async function openLoop(plan: OpenLoopPlan): Promise<Recording> {
  const { schedule, part, startMs, overMs } = plan
  const settled = new Latch(shareOf(schedule.length, part))
  const streams = new RecordedStreams(plan, () => settled.count())
  let sentForMs = 0
  const timetable = new Timetable(schedule, startMs, part, {
    begin(offsetMs) {
      sentForMs = nowMs() - startMs
      streams.begin(startMs + offsetMs)
    },
  })
  timetable.begin()
  await settled.within(startMs - nowMs() + overMs)
  timetable.stop()
  for (const stream of streams.all) stream.settle('timeout')
  return streams.recording(sentForMs)
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

/** Opens a stream whenever one is over: for times without any queue, or a number of streams at a time. */
async function closedLoop(plan: ClosedLoopPlan): Promise<Recording> {
  const { streams: times, atATime, drainMs } = plan
  const streams = new RecordedStreams(plan)
  const startMs = nowMs()
  await severally({ times, atATime }, async () => streams.take(nowMs(), drainMs))
  return streams.recording(nowMs() - startMs)
}

/** Streams that are kept open, by the port of their server. */
const held = new Map<number, Audience>()

async function hold(plan: HoldPlan): Promise<number> {
  const { port, place, streams: times, atATime } = plan
  const audience = held.get(port) ?? new Audience(plan, place)
  held.set(port, audience)
  await severally({ times, atATime }, async () => audience.open())
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

serve({
  openLoop,
  closedLoop,
  hold,
  release,
  heard: (server) => audienceOf(server).heard(),
  over: async (server) => audienceOf(server).over(),
} satisfies GeneratorQuestions)
