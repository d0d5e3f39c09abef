/**
 * One client takes one stream as fast as its events come.
 *
 * A round is a fresh server, a tenth of the stream to warm up, and the stream that counts. The client looks at one
 * event of each piece that it reads and counts the bytes of the others; above 70 % of a core it may be what was
 * measured, and the figures are INVALID.
 */
import { starved } from '../rows/gate.ts'
import type { BurstPlan } from '../servers/payload.ts'
import type { ProducerPlan } from '../servers/server-plan.ts'
import type { TestServer } from '../testbed/test-server.ts'

export interface TakenStream {
  eventsPerSecond: number
  /** CPU time of the thread that receives, in s per million events. */
  mainCpu: number
  /** That of all the server's threads. */
  processCpu: number
  /** MB that the client has read, framing of HTTP included, for a million events. */
  wireMegabytes: number
  /** CPU time of the client, in shares of a core. */
  clientShare: number
  /** CPU time of the server ÷ active time of its event loop. */
  coreShare: number
}

const BUSIEST_CLIENT = 0.7
const WARM_UP_SHARE = 0.1
const STREAM_MS = 120_000

/** What a server has to offer: the stream, and one to warm up with, on its second route. */
export function bursts(plan: BurstPlan): [stream: ProducerPlan, warmUp: ProducerPlan] {
  const warmUp = { ...plan, events: Math.ceil(plan.events * WARM_UP_SHARE) }
  return [
    { name: 'burst', input: plan },
    { name: 'burst', input: warmUp },
  ]
}

/**
 * @param place for the message
 * @throws when the stream has failed: a rate of some of the events means nothing
 */
export async function takeStream(server: TestServer, events: number, place: string): Promise<TakenStream> {
  await server.closedLoop(1, { drainMs: STREAM_MS, route: 'beside' })
  const { recording, mainCpuMs, cpuMs, activeMs } = await server.closedLoop(1, { drainMs: STREAM_MS })
  if (recording.outcomes.good !== 1) {
    throw new Error(`${place}: the stream ended as ${JSON.stringify(recording.outcomes)}`)
  }
  const [tookMs = NaN] = recording.lastEventMs
  return {
    eventsPerSecond: (events * 1_000) / tookMs,
    mainCpu: (mainCpuMs * 1_000) / events,
    processCpu: (cpuMs * 1_000) / events,
    wireMegabytes: recording.wireBytes / events,
    clientShare: recording.cpuMs / tookMs,
    coreShare: cpuMs / activeMs,
  }
}

/** Why rounds do not count. */
export function busyClients(measured: readonly TakenStream[]): string[] {
  return measured
    .filter(({ clientShare }) => clientShare > BUSIEST_CLIENT)
    .map(({ clientShare }) => `client ${Math.round(clientShare * 100)} % busy`)
}

/** The same of servers that work on one thread, which need a core of their own. */
export function failuresOf(measured: readonly TakenStream[]): string[] {
  return [...busyClients(measured), ...measured.flatMap(({ coreShare }) => starved(coreShare))]
}
