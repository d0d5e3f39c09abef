/**
 * The scenarios of a user's own producer (`--producer`). Nothing is known of it beforehand, so that what it takes
 * of a thread is measured first, with one stream alone and then with bursts; loads are in times of that.
 */
import type { BlockScenario } from '../scenarios/block.ts'
import type { Testbed } from '../testbed/testbed.ts'
import { serviceTime } from './block-row.ts'

const LOADS = [0.5, 0.8, 1.2]
/** More clients a second would have the load generator be what is measured. */
const MOST_PER_SECOND = 800
/** How long one stream may take. */
const ALONE_MS = 10_000
/** How long a burst for the service time may take, and the clients of a row, about. */
const BURST_MS = 300
const ROW_MS = 8_000
const FEWEST = 20
const MOST = 1_000
const QUICK = 5

interface ProducerScenarios {
  /** Whether a stream waits longer than it keeps its thread. */
  waits: boolean
  serviceMs: number
  scenarios: BlockScenario[]
}

/** @throws with the reason, when its streams can't be measured */
export async function producerScenarios(
  testbed: Testbed,
  name: string,
  { quick, full }: { quick: boolean; full: boolean },
): Promise<ProducerScenarios> {
  const aloneMs = await testbed.withServer(testbed.blockPlan('inline', 0, 'own'), async (server) => {
    // The first loads and compiles.
    await server.closedLoop(1, { drainMs: ALONE_MS })
    const { recording } = await server.closedLoop(1, { drainMs: ALONE_MS })
    const { timeout, good } = recording.outcomes
    if (timeout !== undefined) {
      throw new Error(`Its stream has not ended within ${ALONE_MS / 1_000} s. It has to end by itself`)
    }
    if (good === undefined) {
      throw new Error(`Its stream ended as ${Object.keys(recording.outcomes).join(', ')}: has it thrown?`)
    }
    if (recording.events === 0) throw new Error('Its stream has no events')
    return recording.lastEventMs[0] as number
  })
  const samples = Math.max(2, Math.min(50, Math.round(BURST_MS / aloneMs)))
  const serviceMs = await serviceTime(testbed, aloneMs, quick ? 2 : samples, 'own')
  const possible = LOADS.filter((load) => (load * 1_000) / serviceMs <= MOST_PER_SECOND)
  const loads =
    possible.length > 0 ? possible : [Number(((MOST_PER_SECOND * serviceMs) / 1_000).toPrecision(2))]
  return {
    waits: serviceMs < aloneMs / 2,
    serviceMs,
    scenarios: loads.map((load) => {
      const inTime = Math.round((ROW_MS * load) / serviceMs)
      const arrivals = full ? MOST : Math.max(FEWEST, Math.min(MOST, inTime))
      const of = { inline: arrivals, microtask: arrivals, deferred: arrivals, workers: arrivals }
      return {
        kind: 'block',
        name: `${name}@${load}`,
        work: 'own',
        blockMs: aloneMs,
        load,
        arrivals: { ...of, own: arrivals, idle: arrivals },
        serviceSamples: samples,
        quickArrivals: QUICK,
      }
    }),
  }
}
