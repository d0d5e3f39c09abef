/**
 * One client takes one stream of events that have to be serialized, as fast as they come: from headfirst, on the
 * server's own thread, and from other libraries, each of which is asked in the fastest way that it offers.
 */
import type { PeersScenario } from '../scenarios.ts'
import { figure, type Figure, type Side } from './figure.ts'
import { inAlternation, type Bench } from './rounds.ts'
import { bursts, busyClients, takeStream, type TakenStream } from './taken-stream.ts'

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
  const rate = (contender: string, rounds: readonly TakenStream[]): Side => ({
    contender,
    values: rounds.map(({ eventsPerSecond }) => eventsPerSecond),
  })
  return peers.map(({ peer, goal }) => {
    const [ours, theirs] = [measured[OURS], measured[peer]]
    const formula = 'events ÷ (receipt of the last − intended start)'
    return figure(
      { scenario: name, what: 'events/s', formula, goal },
      rate(OURS, ours),
      rate(peer, theirs),
      busyClients([...ours, ...theirs]),
    )
  })
}
