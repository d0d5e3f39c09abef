/**
 * One row of events per second: one client takes one stream as fast as its events come. Whatever arrives was
 * counted and its numbers checked by the client, and the server has counted the same.
 */
import { median } from '../../profiler/samples/percentiles.ts'
import type { Contender } from '../scenarios/contender.ts'
import type { RateScenario } from '../scenarios/rate.ts'
import type { Testbed } from '../testbed/testbed.ts'
import { judge } from './gate.ts'
import type { Row, ServerCost } from './row.ts'

export interface RateRow extends Row {
  flush: 'event' | 'tick'
  /** Events of each stream. */
  events: number
  /** Events ÷ time from the intended start to the last event: the median stream, and all of them. */
  eventsPerSecond: number
  streams: number[]
  server: ServerCost
}

/** Side by side, so that more than one thread of an executor gets its share. */
const WARM_UP_STREAMS = 2
const WARM_UP_MS = 30_000

/** @throws when a stream has failed: a rate of some of the events means nothing */
export async function measureRateRow(
  testbed: Testbed,
  { name, flush, streams }: RateScenario,
  contender: Contender,
  events: number,
): Promise<RateRow> {
  return testbed.withServer(testbed.ratePlan(contender, flush, events), async (server) => {
    await server.openLoop(new Float64Array(WARM_UP_STREAMS), WARM_UP_MS)
    const { recording, ...cost } = await server.closedLoop(streams)
    const executor = testbed.nameOf(contender)
    if (recording.outcomes.good !== streams) {
      throw new Error(`${name} on ${executor}: streams ended as ${JSON.stringify(recording.outcomes)}`)
    }
    const rates = Array.from(recording.lastEventMs, (ms) => (events * 1_000) / ms)
    return {
      scenario: name,
      executor,
      flush,
      events,
      eventsPerSecond: median(rates),
      streams: rates,
      gate: judge(recording),
      server: cost,
    }
  })
}
