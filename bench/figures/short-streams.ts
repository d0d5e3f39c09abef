/**
 * Streams of one event each, so many at a time that the server is never without: what a stream costs that has
 * nothing to compute. The way to a thread and back is then all that a thread adds.
 */
import type { ShortStreamsScenario } from '../scenarios.ts'
import { figure, type Figure, type Side } from './figure.ts'
import { inAlternation, type Bench } from './rounds.ts'

interface Measured {
  streamsPerSecond: number
  /** CPU time of the server's own thread, in s per 10,000 streams. */
  mainCpu: number
  /** CPU time of the generator, in % of a core. */
  client: number
}

const WARM_UP_SHARE = 0.1
const STREAM_MS = 10_000

export async function measureShortStreams(bench: Bench, scenario: ShortStreamsScenario): Promise<Figure[]> {
  const { testbed, quick } = bench
  const { name, atATime } = scenario
  const streams = quick ? scenario.quickStreams : scenario.streams
  const contenders = ['workers', 'inline'] as const
  const measured = await inAlternation(bench, scenario.rounds, contenders, async (contender) => {
    const plan = {
      ...testbed.executorOf(contender),
      flush: 'event',
      producer: { name: 'single' },
      workers: { streamsPerThread: atATime },
    } as const
    return testbed.withServer(plan, async (server): Promise<Measured> => {
      const settings = { atATime, drainMs: STREAM_MS }
      await server.closedLoop(Math.ceil(streams * WARM_UP_SHARE), settings)
      const { recording, mainCpuMs } = await server.closedLoop(streams, settings)
      if (recording.outcomes.good !== streams) {
        throw new Error(`${name} on ${contender}: streams ended as ${JSON.stringify(recording.outcomes)}`)
      }
      return {
        streamsPerSecond: (streams * 1_000) / recording.sentForMs,
        mainCpu: (mainCpuMs * 10) / streams,
        client: (recording.cpuMs * 100) / recording.sentForMs,
      }
    })
  })
  const compared = (what: string, formula: string, of: keyof Measured): Figure => {
    const [subject, baseline] = contenders.map((contender) => ({
      contender,
      values: measured[contender].map((one) => one[of]),
    }))
    return figure({ scenario: name, what, formula, goal: undefined }, subject as Side, baseline as Side, [])
  }
  return [
    compared('streams/s', 'complete streams ÷ time from the first to the last', 'streamsPerSecond'),
    compared('main CPU, s per 10,000', "CPU time of the server's main thread alone ÷ streams", 'mainCpu'),
    compared('client CPU, % of a core', "CPU time of the client's process ÷ time", 'client'),
  ]
}
