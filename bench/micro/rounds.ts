/**
 * Micro benchmarks with tinybench, made so that their order does not matter: every round measures each subject
 * in a bench of its own, and the subjects take turns. What one leaves behind (compiled code, garbage, a warm
 * core) is not always left to the same neighbour.
 */
import { Bench, type Fn } from 'tinybench'
import { median } from '../../profiler/samples/percentiles.ts'

export interface Subject {
  name: string
  fn: Fn
  /** Whether `fn` returns a promise: tinybench would otherwise call it once to see. */
  async: boolean
}

export interface Effort {
  rounds: number
  /** Ms of each subject in each round, to measure and, before that, to warm up. */
  timeMs: number
  warmupMs: number
}

export interface Timing {
  name: string
  /** Mean time of one call, in ms: the median of the rounds, the least and the most. */
  meanMs: number
  leastMs: number
  mostMs: number
  /** Median time of one call, in ms: the median of the rounds. */
  p50Ms: number
  samples: number
}

/** @throws what a subject throws, and when a round was not completed */
export async function inRounds(subjects: readonly Subject[], effort: Effort): Promise<Timing[]> {
  const rounds = subjects.map((): { meanMs: number; p50Ms: number; samples: number }[] => [])
  for (let round = 0; round < effort.rounds; round++) {
    for (const [index, subject] of subjects.entries()) rounds[index]?.push(await once(subject, effort))
  }
  return subjects.map(({ name }, index) => {
    const own = rounds[index] ?? []
    const means = own.map(({ meanMs }) => meanMs)
    return {
      name,
      meanMs: median(means),
      leastMs: Math.min(...means),
      mostMs: Math.max(...means),
      p50Ms: median(own.map(({ p50Ms }) => p50Ms)),
      samples: own.reduce((total, { samples }) => total + samples, 0),
    }
  })
}

async function once(
  { name, fn, async }: Subject,
  { timeMs, warmupMs }: Effort,
): Promise<{ meanMs: number; p50Ms: number; samples: number }> {
  const bench = new Bench({ time: timeMs, warmupTime: warmupMs, throws: true })
  bench.add(name, fn, { async })
  const [task] = await bench.run()
  const result = task?.result
  if (result?.state !== 'completed')
    throw new Error(`The benchmark of ${name} is ${result?.state ?? 'missing'}`)
  const { mean, p50, samplesCount } = result.latency
  return { meanMs: mean, p50Ms: p50, samples: samplesCount }
}
