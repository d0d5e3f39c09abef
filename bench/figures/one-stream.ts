/**
 * One stream from a thread as fast as its events come: how many a second, and what they cost the thread that serves
 * all clients.
 *
 * Beside the baseline `naive` runs the bare loop that it is made of: without encoder, stream and HTTP.
 */
import { beside, Remote } from '../../profiler/load/remote.ts'
import type { MicroQuestions } from '../micro/micro-benchmarks.ts'
import type { OneStreamScenario } from '../scenarios/one-stream.ts'
import { figure, type Figure, type Side } from './figure.ts'
import { inAlternation, type Bench } from './rounds.ts'
import { bursts, busyClients, takeStream, type TakenStream } from './taken-stream.ts'

const POSTED_MS = 120_000
/** From here on the rate is given in megabytes. */
const LARGE_BYTES = 10_000

type Contender = 'workers' | 'naive' | 'inline' | 'bare postMessage'

export async function measureOneStream(bench: Bench, scenario: OneStreamScenario): Promise<Figure[]> {
  const { name, baseline, goals } = scenario
  const hasBare = baseline === 'naive'
  const isLarge = scenario.eventBytes >= LARGE_BYTES
  const contenders: Contender[] = ['workers', baseline, ...(hasBare ? ['bare postMessage' as const] : [])]
  const measured = await inAlternation(bench, scenario.rounds, contenders, async (contender) => {
    const events = bench.quick
      ? scenario.quickEvents
      : scenario.events[contender === 'workers' ? 'workers' : 'baseline']
    return contender === 'bare postMessage'
      ? postMessages(events, scenario.eventBytes)
      : measureServer(bench, scenario, contender, events)
  })
  const failures = busyClients(Object.values(measured).flat())
  const side = (contender: Contender, value: (one: TakenStream) => number): Side => ({
    contender,
    values: measured[contender].map(value),
  })
  const rate = {
    scenario: name,
    what: isLarge ? 'MB/s' : 'events/s',
    formula: `${isLarge ? 'bytes of events' : 'events'} ÷ (receipt of the last − intended start)`,
  }
  const perEvent = isLarge ? scenario.eventBytes / 1e6 : 1
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

async function measureServer(
  { testbed }: Bench,
  { name, flush, data, eventBytes }: OneStreamScenario,
  contender: 'workers' | 'naive' | 'inline',
  events: number,
): Promise<TakenStream> {
  const [producer, warmUp] = bursts({ events, data, eventBytes })
  const route = { ...testbed.executorOf(contender), flush, producer }
  const plan = { ...route, beside: { ...route, producer: warmUp } }
  return testbed.withServer(plan, async (server) => takeStream(server, events, `${name} on ${contender}`))
}

async function postMessages(messages: number, bytes: number): Promise<TakenStream> {
  const remote = new Remote<MicroQuestions>(beside(import.meta.url, '../micro/micro-benchmarks'))
  try {
    const { tookMs, mainCpuMs } = await remote.ask('postMessages', { messages, bytes }, POSTED_MS)
    return {
      eventsPerSecond: (messages * 1_000) / tookMs,
      mainCpu: (mainCpuMs * 1_000) / messages,
      processCpu: NaN,
      wireMegabytes: NaN,
      clientShare: 0,
      coreShare: NaN,
    }
  } finally {
    await remote.stop()
  }
}
