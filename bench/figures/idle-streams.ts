/**
 * Streams that are open and send nothing: what each of them takes of the server's memory.
 *
 * The figure is a slope: memory is measured with more and more streams open, and the line of least squares through
 * what was seen has the bytes of one more stream. What a server needs by itself, and what it has left over from its
 * start, is not in it. Garbage is collected before each measurement, on the server's own thread; that of worker
 * threads is what it is.
 */
import type { IdleStreamsScenario } from '../scenarios/idle-streams.ts'
import { isPeer } from '../servers/peers.ts'
import type { Memory } from '../servers/usage.ts'
import { line } from '../statistics/line.ts'
import type { TestServer } from '../testbed/test-server.ts'
import { figure, type Figure, type FigureDefinition, type Side } from './figure.ts'
import { inAlternation, type Bench } from './rounds.ts'

interface Measured {
  /** kB for each stream. */
  rss: number
  heap: number
}

export async function measureIdleStreams(bench: Bench, scenario: IdleStreamsScenario): Promise<Figure[]> {
  const { testbed, quick } = bench
  const { name, comparisons } = scenario
  const steps = quick ? scenario.quickSteps : scenario.steps
  const contenders = [...new Set(comparisons.flatMap(({ subject, baseline }) => [subject, baseline]))]
  const measured = await inAlternation(bench, scenario.rounds, contenders, async (contender) => {
    const look = async (server: TestServer): Promise<Measured> => slopes(server, steps)
    if (isPeer(contender)) {
      return testbed.withPeer({ peer: contender, producer: { name: 'subscribe' } }, look)
    }
    const plan = {
      ...testbed.executorOf(contender === 'inline tick' ? 'inline' : contender),
      flush: 'event',
      producer: { name: contender === 'workers' ? 'wait' : 'subscribe' },
      workers: { streamsPerThread: Math.max(...steps) },
    } as const
    return testbed.withServer(plan, look)
  })
  return comparisons.flatMap(({ subject, baseline, goal }) => {
    const compared = (of: keyof Measured, definition: Pick<FigureDefinition, 'what' | 'goal'>): Figure => {
      const [one, other] = [subject, baseline].map((contender) => ({
        contender,
        values: measured[contender].map((values) => values[of]),
      }))
      const formula = `slope over ${steps.join(', ')} open streams, after garbage collection`
      return figure({ scenario: name, formula, ...definition }, one as Side, other as Side, [])
    }
    return [
      compared('rss', { what: 'RSS, kB per stream', goal }),
      compared('heap', { what: "main thread's heap, kB per stream", goal: undefined }),
    ]
  })
}

async function slopes(server: TestServer, steps: readonly number[]): Promise<Measured> {
  const looks: Memory[] = []
  try {
    let open = 0
    for (const step of steps) {
      looks.push(await server.hold(step - open))
      open = step
    }
  } finally {
    await server.release()
  }
  const slope = (of: keyof Memory): number =>
    line(
      steps,
      looks.map((look) => look[of]),
    ).slope / 1_000
  return { rss: slope('rssBytes'), heap: slope('heapBytes') }
}
