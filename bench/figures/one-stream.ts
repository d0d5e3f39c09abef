/**
 * One client takes one stream as fast as its events come: how many a second, and what they cost the thread that
 * serves everybody.
 *
 * A round is a fresh server, a tenth of the stream to warm up, and the stream that counts. The client looks at one
 * event of each piece that it reads and counts the bytes of the others; above 70 % of a core it may be what was
 * measured, and the figures are INVALID.
 *
 * Beside the baseline `naive` runs the bare loop that it is made of: without encoder, stream and HTTP.
 */
import type { MicroQuestions } from '../micro-benchmarks.ts'
import { Remote } from '../remote.ts'
import type { OneStreamScenario } from '../scenarios.ts'
import { figure, type Figure, type Side } from './figure.ts'
import { inAlternation, type Bench } from './rounds.ts'

interface Measured {
  eventsPerSecond: number
  /** CPU time of the thread that receives, in s per million events. */
  mainCpu: number
  /** CPU time of the client, in shares of a core. */
  clientShare: number
}

const BUSIEST_CLIENT = 0.7
const WARM_UP_SHARE = 0.1
const STREAM_MS = 120_000

type Contender = 'workers' | 'naive' | 'inline' | 'bare postMessage'

export async function measureOneStream(bench: Bench, scenario: OneStreamScenario): Promise<Figure[]> {
  const { name, baseline, goals } = scenario
  const hasBare = baseline === 'naive'
  const contenders: Contender[] = ['workers', baseline, ...(hasBare ? ['bare postMessage' as const] : [])]
  const measured = await inAlternation(bench, scenario.rounds, contenders, async (contender) => {
    const events = bench.quick
      ? scenario.quickEvents
      : scenario.events[contender === 'workers' ? 'workers' : 'baseline']
    return contender === 'bare postMessage'
      ? postMessages(events, scenario.eventBytes)
      : takeStream(bench, scenario, contender, events)
  })
  const failures = Object.values(measured)
    .flat()
    .filter(({ clientShare }) => clientShare > BUSIEST_CLIENT)
    .map(({ clientShare }) => `client ${Math.round(clientShare * 100)} % busy`)
  const side = (contender: Contender, value: (one: Measured) => number): Side => ({
    contender,
    values: measured[contender].map(value),
  })
  const rate = {
    scenario: name,
    what: hasBare ? 'events/s' : 'MB/s',
    formula: `${hasBare ? 'events' : 'bytes of events'} ÷ (receipt of the last − intended start)`,
  }
  const perEvent = hasBare ? 1 : scenario.eventBytes / 1e6
  const perSecond = (contender: Contender): Side =>
    side(contender, ({ eventsPerSecond }) => eventsPerSecond * perEvent)
  const mainCpu = (contender: Contender): Side => side(contender, (one) => one.mainCpu)
  const figures = [
    figure({ ...rate, goal: goals?.eventsPerSecond }, perSecond('workers'), perSecond(baseline), failures),
    figure(
      {
        scenario: name,
        what: 'main CPU, s per million events',
        formula: "CPU time of the server's main thread alone ÷ events",
        goal: goals?.mainCpu,
      },
      mainCpu('workers'),
      mainCpu(baseline),
      failures,
    ),
  ]
  if (hasBare) {
    const goal = { is: 'at least', ratio: 0.9 } as const
    const bare = perSecond('bare postMessage')
    figures.push(figure({ ...rate, goal }, perSecond(baseline), bare, failures))
  }
  const client = (contender: Contender): Side => side(contender, ({ clientShare }) => clientShare * 100)
  figures.push(
    figure(
      {
        scenario: name,
        what: 'client CPU, % of a core',
        formula: "CPU time of the client's process ÷ time",
        goal: undefined,
      },
      client('workers'),
      client(baseline),
      [],
    ),
  )
  return figures
}

/** @throws when the stream has failed: a rate of some of the events means nothing */
async function takeStream(
  { testbed }: Bench,
  { name, flush, data, eventBytes }: OneStreamScenario,
  contender: 'workers' | 'naive' | 'inline',
  events: number,
): Promise<Measured> {
  const executor = testbed.executorOf(contender)
  const route = (count: number) =>
    ({ ...executor, flush, producer: { name: 'burst', input: { events: count, data, eventBytes } } }) as const
  const plan = { ...route(events), beside: route(Math.ceil(events * WARM_UP_SHARE)) }
  return testbed.withServer(plan, async (server) => {
    await server.closedLoop(1, { drainMs: STREAM_MS, route: 'beside' })
    const { recording, mainCpuMs } = await server.closedLoop(1, { drainMs: STREAM_MS })
    if (recording.outcomes.good !== 1) {
      throw new Error(`${name} on ${contender}: the stream ended as ${JSON.stringify(recording.outcomes)}`)
    }
    const [tookMs = NaN] = recording.lastEventMs
    return {
      eventsPerSecond: (events * 1_000) / tookMs,
      mainCpu: (mainCpuMs * 1_000) / events,
      clientShare: recording.cpuMs / tookMs,
    }
  })
}

async function postMessages(messages: number, bytes: number): Promise<Measured> {
  const remote = new Remote<MicroQuestions>('micro-benchmarks')
  try {
    const { tookMs, mainCpuMs } = await remote.ask('postMessages', { messages, bytes }, STREAM_MS)
    return {
      eventsPerSecond: (messages * 1_000) / tookMs,
      mainCpu: (mainCpuMs * 1_000) / messages,
      clientShare: 0,
    }
  } finally {
    await remote.stop()
  }
}
