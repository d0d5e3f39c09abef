/**
 * One event for many streams on the server's own thread: sent to each, or shared by all, against the same with every
 * chunk framed by Node's response, as it was before headfirst framed chunks itself.
 *
 * The stamp of an event is the time at which its round through all streams begins, so that the tail of the latency is
 * that of the last clients.
 */
import type { FanOutScenario } from '../scenarios/fan-out.ts'
import { tailOf } from '../../profiler/samples/percentiles.ts'
import { figure, type Figure, type FigureDefinition, type Side } from './figure.ts'
import { takeTicking, type Ticking } from './many-streams.ts'
import { inAlternation, type Bench } from './rounds.ts'

const CONTENDERS = {
  inline: { fan: { share: false } },
  'inline shared': { fan: { share: true } },
  'framed by Node': { fan: { share: false }, framedByNode: true },
} as const
type Contender = keyof typeof CONTENDERS

export async function measureFanOut(bench: Bench, scenario: FanOutScenario): Promise<Figure[]> {
  const { name, everyMs } = scenario
  const streams = bench.quick ? scenario.quickStreams : scenario.streams
  const forMs = bench.quick ? scenario.quickForMs : scenario.forMs
  const contenders = Object.keys(CONTENDERS) as Contender[]
  const measured = await inAlternation(bench, scenario.rounds, contenders, async (contender) =>
    takeTicking(bench, {
      ...CONTENDERS[contender],
      streams,
      everyMs,
      forMs,
      executor: 'inline',
      place: `${name} on ${contender}`,
    }),
  )
  const side = (contender: Contender, of: keyof Ticking): Side => ({
    contender,
    values: measured[contender].map((one) => one[of]),
  })
  const against = (
    contender: Contender,
    of: keyof Ticking,
    definition: Pick<FigureDefinition, 'what' | 'formula' | 'goal'>,
  ): Figure => figure({ scenario: name, ...definition }, side(contender, of), side('framed by Node', of), [])
  const cpu = {
    what: 'main CPU, s per million events',
    formula: "CPU time of the server's main thread alone ÷ events, while all streams are open",
  }
  const tail = {
    what: `latency ${tailOf((streams * forMs) / everyMs).name}, ms`,
    formula: 'receipt − the beginning of the round through all streams',
    goal: undefined,
  }
  return [
    against('inline', 'mainCpu', { ...cpu, goal: { is: 'at most', ratio: 0.6 } }),
    against('inline shared', 'mainCpu', { ...cpu, goal: { is: 'at most', ratio: 0.4 } }),
    against('inline', 'latencyTailMs', tail),
    against('inline shared', 'latencyTailMs', tail),
  ]
}
