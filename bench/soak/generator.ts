/**
 * The clients of the soak, in a process of their own. They come at random, in an open loop for each kind, and write down
 * what they have got. `main.ts` starts it.
 */
import { serve } from '../../profiler/load/remote.ts'
import { MixedLoad, type Heard, type LoadPlan } from './mixed-load.ts'
import type { Tally } from './tally.ts'

export type SoakGeneratorQuestions = {
  /** One stream on each route, so that all has been done once. */
  warmUp(plan: LoadPlan): Promise<void>
  begin(plan: LoadPlan): void
  heard(): Heard
  /** No more clients come; resolves when the last has gone. */
  end(): Promise<{ tallies: Record<string, Tally>; killsMs: number[] }>
}

let load: MixedLoad | undefined

function current(): MixedLoad {
  if (load === undefined) throw new Error('There is no load')
  return load
}

serve({
  async warmUp(plan) {
    await new MixedLoad(plan).once()
  },
  begin(plan) {
    load = new MixedLoad(plan)
    load.begin()
  },
  heard: () => current().heard(),
  async end() {
    await current().end()
    return { tallies: current().tallies.byPath, killsMs: current().killsMs }
  },
} satisfies SoakGeneratorQuestions)
