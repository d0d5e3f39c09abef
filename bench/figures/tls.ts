/**
 * The same streams behind TLS and without: what an event and a stream cost the server's thread. Each connection makes
 * a handshake of its own (TLS 1.3, an ECDSA key on P-256, no resumption), as a browser's first one does.
 */
import type { TlsScenario } from '../scenarios/tls.ts'
import { figure, type Figure, type Side } from './figure.ts'
import { takeTicking } from './many-streams.ts'
import { inAlternation, type Bench } from './rounds.ts'
import { takeStreams } from './short-streams.ts'

interface Measured {
  /** CPU time of the server's main thread, in s per million events of open streams. */
  perMillionEvents: number
  /** The same in ms for each stream of one event, its connection included. */
  perStreamMs: number
}

const CONTENDERS = ['inline', 'inline TLS', 'workers', 'workers TLS'] as const

export async function measureTls(bench: Bench, scenario: TlsScenario): Promise<Figure[]> {
  const { testbed, quick } = bench
  const { name, rhythm, atATime } = scenario
  const streams = quick ? scenario.quickStreams : scenario.streams
  const plan = {
    streams: quick ? rhythm.quickStreams : rhythm.streams,
    forMs: quick ? rhythm.quickForMs : rhythm.forMs,
    everyMs: rhythm.everyMs,
  }
  const measured = await inAlternation(
    bench,
    scenario.rounds,
    CONTENDERS,
    async (contender): Promise<Measured> => {
      const executor = contender.startsWith('inline') ? 'inline' : 'workers'
      const tls = contender.endsWith('TLS')
      const place = `${name} on ${contender}`
      const { mainCpu } = await takeTicking(bench, { ...plan, executor, tls, place })
      const short = {
        ...testbed.executorOf(executor),
        flush: 'event',
        producer: { name: 'single' },
        tls,
      } as const
      const { perCpuSecond } = await testbed.withServer(
        { ...short, workers: { streamsPerThread: atATime } },
        async (server) => takeStreams(server, streams, atATime, place),
      )
      return { perMillionEvents: mainCpu, perStreamMs: 1_000 / perCpuSecond }
    },
  )
  const side = (contender: (typeof CONTENDERS)[number], of: keyof Measured): Side => ({
    contender,
    values: measured[contender].map((one) => one[of]),
  })
  return (['inline', 'workers'] as const).flatMap((executor) => [
    figure(
      {
        scenario: name,
        what: 'main CPU, s per million events',
        formula: "CPU time of the server's main thread alone ÷ events, while all streams are open",
        goal: undefined,
      },
      side(`${executor} TLS`, 'perMillionEvents'),
      side(executor, 'perMillionEvents'),
      [],
    ),
    figure(
      {
        scenario: name,
        what: 'main CPU, ms per stream of one event',
        formula: "CPU time of the server's main thread alone ÷ streams, a connection and its handshake each",
        goal: undefined,
      },
      side(`${executor} TLS`, 'perStreamMs'),
      side(executor, 'perStreamMs'),
      [],
    ),
  ])
}
