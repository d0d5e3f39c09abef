/**
 * A single event now and then, with everything else idle: how long it takes from the producer's stamp to the
 * client. This is where a thread has to be woken for each event, and nothing is there to make a batch of.
 */
import { rank, tailOf } from '../../profiler/samples/percentiles.ts'
import type { IdleLatencyScenario } from '../scenarios/idle-latency.ts'
import { figure, type Figure, type FigureDefinition, type Side } from './figure.ts'
import { inAlternation, type Bench } from './rounds.ts'

/** The first events run code that is not compiled. */
const WARM_UP_EVENTS = 50
const DRAIN_MS = 10_000

export async function measureIdleLatency(bench: Bench, scenario: IdleLatencyScenario): Promise<Figure[]> {
  const { testbed, quick } = bench
  const { name, everyMs, goal } = scenario
  const events = (quick ? scenario.quickEvents : scenario.events) + WARM_UP_EVENTS
  const pace = quick ? 1 : everyMs
  const contenders = ['workers', 'inline'] as const
  const measured = await inAlternation(bench, scenario.rounds, contenders, async (contender) => {
    const plan = {
      ...testbed.executorOf(contender),
      flush: 'event',
      producer: { name: 'ticker', input: { events, everyMs: pace } },
    } as const
    return testbed.withServer(plan, async (server): Promise<Float64Array> => {
      const { recording } = await server.closedLoop(1, { drainMs: events * pace + DRAIN_MS })
      if (recording.latenciesMs.length !== events || recording.outcomes.good !== 1) {
        throw new Error(
          `${name} on ${contender}: ${recording.latenciesMs.length} of ${events} events have come`,
        )
      }
      return recording.latenciesMs.slice(WARM_UP_EVENTS).toSorted()
    })
  })
  const ofRank = (fraction: number, definition: Pick<FigureDefinition, 'what' | 'goal'>): Figure => {
    const [subject, baseline] = contenders.map((contender) => ({
      contender,
      values: measured[contender].map((sorted) => rank(sorted, fraction) * 1_000),
    }))
    const formula = "receipt − the producer's stamp"
    return figure({ scenario: name, formula, ...definition }, subject as Side, baseline as Side, [])
  }
  const tail = tailOf(events - WARM_UP_EVENTS)
  return [
    ofRank(0.5, { what: 'latency p50, µs', goal }),
    ofRank(tail.fraction, { what: `latency ${tail.name}, µs`, goal: undefined }),
  ]
}
