/**
 * One stream as fast as its events come, with chunks that headfirst frames and writes to the socket, against the same
 * with chunks that Node's response frames, as it was before. The kernel's part is the same on both sides.
 */
import type { WritePathScenario } from '../scenarios/write-path.ts'
import { EVENT_BYTES } from '../servers/payload.ts'
import { figure, type Figure, type Side } from './figure.ts'
import { inAlternation, type Bench } from './rounds.ts'
import { bursts, busyClients, takeStream, type TakenStream } from './taken-stream.ts'

type Contender = 'headfirst' | 'framed by Node'

export async function measureWritePath(bench: Bench, scenario: WritePathScenario): Promise<Figure[]> {
  const { name, executor, flush, goals } = scenario
  const events = bench.quick ? scenario.quickEvents : scenario.events
  const contenders: readonly Contender[] = ['headfirst', 'framed by Node']
  const measured = await inAlternation(bench, scenario.rounds, contenders, async (contender) => {
    const [producer, warmUp] = bursts({ events, data: 'string', eventBytes: EVENT_BYTES })
    const framedByNode = contender === 'framed by Node'
    const route = { ...bench.testbed.executorOf(executor), flush, producer, framedByNode }
    return bench.testbed.withServer({ ...route, beside: { ...route, producer: warmUp } }, async (server) =>
      takeStream(server, events, `${name} on ${contender}`),
    )
  })
  const side = (contender: Contender, of: keyof TakenStream): Side => ({
    contender,
    values: measured[contender].map((one) => one[of]),
  })
  const failures = busyClients(Object.values(measured).flat())
  return [
    figure(
      {
        scenario: name,
        what: 'events/s',
        formula: 'events ÷ (receipt of the last − intended start)',
        goal: goals.eventsPerSecond,
      },
      side('headfirst', 'eventsPerSecond'),
      side('framed by Node', 'eventsPerSecond'),
      failures,
    ),
    figure(
      {
        scenario: name,
        what: 'main CPU, s per million events',
        formula: "CPU time of the server's main thread alone ÷ events",
        goal: goals.mainCpu,
      },
      side('headfirst', 'mainCpu'),
      side('framed by Node', 'mainCpu'),
      failures,
    ),
  ]
}
