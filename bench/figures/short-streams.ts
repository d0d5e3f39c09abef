/**
 * Streams of one event each, so many at a time that the server is never without: what a stream costs that has
 * nothing to compute. On a thread, the way there and back is all that the thread adds.
 *
 * A client's connection costs it more than it costs the server, and on two cores there is but one for all clients.
 * So where the server is fast, streams/s are those of the client, and the ratio of two fast servers comes out too
 * close to 1. The CPU time that a stream takes on the server's thread has no such limit, and is what is judged.
 */
import type { ShortStreamsScenario } from '../scenarios/short-streams.ts'
import { isPeer } from '../servers/peers.ts'
import type { TestServer } from '../testbed/test-server.ts'
import { figure, type Figure, type FigureDefinition, type Side } from './figure.ts'
import { inAlternation, type Bench } from './rounds.ts'

interface ShortStreams {
  streamsPerSecond: number
  /** Streams that the server's own thread could serve in a second of CPU time. */
  perCpuSecond: number
  /** CPU time of the generator, in % of a core. */
  client: number
}

const WARM_UP_SHARE = 0.1
const STREAM_MS = 10_000

export async function measureShortStreams(bench: Bench, scenario: ShortStreamsScenario): Promise<Figure[]> {
  const { testbed, quick } = bench
  const { name, atATime, comparisons } = scenario
  const streams = quick ? scenario.quickStreams : scenario.streams
  const contenders = [...new Set(comparisons.flatMap(({ subject, baseline }) => [subject, baseline]))]
  const measured = await inAlternation(bench, scenario.rounds, contenders, async (contender) => {
    const take = async (server: TestServer): Promise<ShortStreams> =>
      takeStreams(server, streams, atATime, `${name} on ${contender}`)
    const producer = { name: 'single' } as const
    if (isPeer(contender)) return testbed.withPeer({ peer: contender, producer }, take)
    const workers = { streamsPerThread: atATime }
    const inTicks = contender === 'inline tick'
    const executor = testbed.executorOf(inTicks ? 'inline' : contender)
    return testbed.withServer({ ...executor, flush: inTicks ? 'tick' : 'event', producer, workers }, take)
  })
  const compared = (
    comparison: ShortStreamsScenario['comparisons'][number],
    of: keyof ShortStreams,
    definition: Pick<FigureDefinition, 'what' | 'formula' | 'goal'>,
  ): Figure => {
    const [subject, baseline] = [comparison.subject, comparison.baseline].map((contender) => ({
      contender,
      values: measured[contender].map((one) => one[of]),
    }))
    return figure({ scenario: name, ...definition }, subject as Side, baseline as Side, [])
  }
  return comparisons.flatMap((comparison, index) => [
    compared(comparison, 'perCpuSecond', {
      what: 'streams per s of main CPU',
      formula: "streams ÷ CPU time of the server's main thread alone",
      goal: comparison.goal,
    }),
    compared(comparison, 'streamsPerSecond', {
      what: 'streams/s',
      formula: 'complete streams ÷ time from the first to the last',
      goal: undefined,
    }),
    // Much the same for all of them.
    ...(index > 0
      ? []
      : [
          compared(comparison, 'client', {
            what: 'client CPU, % of a core',
            formula: "CPU time of the client's process ÷ time",
            goal: undefined,
          }),
        ]),
  ])
}

/**
 * @param place for the message
 * @throws when a stream has failed
 */
export async function takeStreams(
  server: TestServer,
  streams: number,
  atATime: number,
  place: string,
): Promise<ShortStreams> {
  const settings = { atATime, drainMs: STREAM_MS }
  await server.closedLoop(Math.ceil(streams * WARM_UP_SHARE), settings)
  const { recording, mainCpuMs } = await server.closedLoop(streams, settings)
  if (recording.outcomes.good !== streams) {
    throw new Error(`${place}: streams ended as ${JSON.stringify(recording.outcomes)}`)
  }
  return {
    streamsPerSecond: (streams * 1_000) / recording.sentForMs,
    perCpuSecond: (streams * 1_000) / mainCpuMs,
    client: (recording.cpuMs * 100) / recording.sentForMs,
  }
}
