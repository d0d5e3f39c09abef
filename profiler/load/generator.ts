/**
 * The profiler's load generator: a process of its own, so that it shares no event loop, heap or garbage collector
 * with what draws and prints. Arrivals follow a schedule made beforehand, whatever becomes of those before; every time
 * counts from the intended start; each recording holds how late and how busy the generator was. Where there are several,
 * all of them have the same schedule and the same start, and each takes its part of the arrivals.
 */
import type { PartPlan, Plan, Standing } from '../plan.ts'
import type { Recording } from '../samples/recording.ts'
import { scheduleOf } from './arrivals.ts'
import { Holding, type Held } from './holding.ts'
import type { Pressure } from './pressure.ts'
import { serve } from './remote.ts'
import { Run } from './run.ts'

export interface HoldPlan {
  plan: Plan
  /** Those that are open and too many are closed. */
  streams: number
}

// A type and not an interface: those have no index signature.
export type GeneratorQuestions = {
  /** Makes ready what is to run. */
  prepare(plan: PartPlan): void
  /** @param startMs when the run begins, on the host's monotonic clock */
  run(startMs: number): Promise<Recording>
  standing(nothing: undefined): Standing | undefined
  pressure(nothing: undefined): Pressure | undefined
  /** Ends the run, with what there is; what is held stays. */
  abandon(nothing: undefined): void
  /** Ends now what goes on, opening or measuring: it answers with what there is. */
  stop(nothing: undefined): void
  hold(plan: HoldPlan): Promise<Held>
  held(nothing: undefined): Held
}

let prepared: (PartPlan & { schedule: Float64Array }) | undefined
let current: Run | undefined
let holding: Holding | undefined

serve({
  prepare(part) {
    prepared = { ...part, schedule: scheduleOf(part.plan.load) }
  },
  async run(startMs) {
    if (prepared === undefined) throw new Error('Nothing was prepared')
    current = new Run(prepared, prepared.schedule, startMs)
    return current.measure()
  },
  standing: () => current?.recorder.standing(),
  pressure: () => current?.recorder.pressure(),
  abandon: () => current?.stop(),
  stop() {
    current?.stop()
    holding?.stop()
  },
  async hold({ plan, streams }) {
    holding ??= new Holding(plan)
    return holding.hold(streams)
  },
  held: () => holding?.standing() ?? { open: 0, lost: 0, detail: '', untried: 0 },
} satisfies GeneratorQuestions)
