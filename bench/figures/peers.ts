/**
 * One client takes one stream of events that have to be serialized, as fast as they come: from headfirst, on the
 * server's own thread, and from other libraries, each of which is asked in the fastest way that it offers.
 */
import type { PeersScenario } from '../scenarios/peers.ts'
import { figure, type Figure, type FigureDefinition, type Side } from './figure.ts'
import { inAlternation, type Bench } from './rounds.ts'
import { bursts, busyClients, failuresOf, takeStream, type TakenStream } from './taken-stream.ts'

const OURS = 'headfirst inline'

export async function measurePeers(bench: Bench, scenario: PeersScenario): Promise<Figure[]> {
  const { testbed, quick } = bench
  const { name, eventBytes, peers } = scenario
  const streams = [{ peer: undefined, events: scenario.events }, ...peers]
  const byName = new Map(streams.map((stream) => [stream.peer ?? OURS, stream] as const))
  const measured = await inAlternation(bench, scenario.rounds, [...byName.keys()], async (contender) => {
    const { peer, events: full } = byName.get(contender) as (typeof streams)[number]
    const events = quick ? scenario.quickEvents : full
    const [producer, warmUp] = bursts({ events, data: 'object', eventBytes })
    const place = `${name} on ${contender}`
    if (peer !== undefined) {
      const plan = { peer, producer, beside: { producer: warmUp } }
      return testbed.withPeer(plan, async (server) => takeStream(server, events, place))
    }
    const route = { ...testbed.executorOf('inline'), flush: 'tick', producer } as const
    const plan = { ...route, beside: { ...route, producer: warmUp } }
    return testbed.withServer(plan, async (server) => takeStream(server, events, place))
  })
  return peers.flatMap(({ peer, goal }) => {
    const [ours, theirs] = [measured[OURS], measured[peer]]
    const both = [...ours, ...theirs]
    const compared = (
      definition: Omit<FigureDefinition, 'scenario'>,
      of: 'eventsPerSecond' | 'mainCpu',
      failures: string[],
    ): Figure =>
      figure({ scenario: name, ...definition }, side(OURS, ours, of), side(peer, theirs, of), failures)
    return [
      compared(
        { what: 'events/s', formula: 'events ÷ (receipt of the last − intended start)', goal },
        'eventsPerSecond',
        failuresOf(both),
      ),
      compared(
        {
          what: 'main CPU, s per million events',
          formula: "CPU time of the server's main thread alone ÷ events",
          goal: undefined,
        },
        'mainCpu',
        // Time on a core is the same, however many others compete for it.
        busyClients(both),
      ),
    ]
  })
}

function side(contender: string, rounds: readonly TakenStream[], of: 'eventsPerSecond' | 'mainCpu'): Side {
  return { contender, values: rounds.map((one) => one[of]) }
}
