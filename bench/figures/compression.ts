/**
 * Streams in each content coding, and in none: what their events cost the server's own thread and all of its threads,
 * and how many bytes go over the wire.
 *
 * As fast as they come (`burst`), events without a coding come faster, and so in larger batches: what one costs the
 * server's thread then has little to do with the coding. Whether that thread pays for a coding is seen in a `rhythm`,
 * where as many events come at the same times, with a coding and without.
 *
 * Every event is flushed, as it has to be: a compressor that waits for more is the one thing that an event stream
 * can't have. The client decodes with another implementation, checks the events' numbers, and its count of decoded
 * bytes has to be the server's. The bytes on the wire are all that it reads: the head, and HTTP's framing too.
 */
import { knowsCoding, type Coding } from '../load/decoded-body.ts'
import type { CompressionScenario } from '../scenarios/compression.ts'
import { figure, type Figure, type FigureDefinition, type Side } from './figure.ts'
import { takeTicking } from './many-streams.ts'
import { inAlternation, type Bench } from './rounds.ts'
import { bursts, busyClients, takeStream } from './taken-stream.ts'

const EXECUTORS = ['inline', 'workers'] as const
type Executor = (typeof EXECUTORS)[number]

interface Contender {
  executor: Executor
  /** Undefined for none. */
  coding: Coding | undefined
}

interface Measured {
  /** CPU time of the server's main thread, and of all its threads, in s per million events. */
  mainCpu: number
  processCpu: number
  wireMegabytes: number
  /** Undefined where that is given. */
  eventsPerSecond: number | undefined
  failures: string[]
}

const nameOf = ({ executor, coding }: Contender): string => `${executor} ${coding ?? 'plain'}`

export async function measureCompression(bench: Bench, scenario: CompressionScenario): Promise<Figure[]> {
  const codings = scenario.codings.filter(knowsCoding)
  const byName = new Map(
    EXECUTORS.flatMap((executor) =>
      [undefined, ...codings].map((coding): [string, Contender] => {
        const contender = { executor, coding }
        return [nameOf(contender), contender]
      }),
    ),
  )
  const measured = await inAlternation(bench, scenario.rounds, [...byName.keys()], async (name) =>
    take(bench, scenario, byName.get(name) as Contender),
  )
  const compared = (
    subject: Contender,
    baseline: Contender,
    of: (one: Measured) => number,
    definition: Omit<FigureDefinition, 'scenario'>,
  ): Figure => {
    const side = (contender: Contender): Side => ({
      contender: nameOf(contender),
      values: (measured[nameOf(contender)] ?? []).map(of),
    })
    const taken = [subject, baseline].flatMap((contender) => measured[nameOf(contender)] ?? [])
    return figure(
      { scenario: scenario.name, ...definition },
      side(subject),
      side(baseline),
      taken.flatMap(({ failures }) => failures),
    )
  }
  const figures = EXECUTORS.flatMap((executor) =>
    codings.flatMap((coding) => {
      const coded = { executor, coding }
      const plain = { executor, coding: undefined }
      return [
        compared(coded, plain, (one) => one.mainCpu, {
          what: 'main CPU, s per million events',
          formula: "CPU time of the server's main thread alone ÷ events",
          goal: executor === 'workers' ? scenario.goal : undefined,
        }),
        ...(executor === 'workers'
          ? [
              compared(coded, plain, (one) => one.processCpu - one.mainCpu, {
                what: "other threads' CPU, s per million events",
                formula: "(CPU time of the server's process − that of its main thread) ÷ events",
                goal: undefined,
              }),
            ]
          : []),
        compared(coded, plain, (one) => one.processCpu, {
          what: 'process CPU, s per million events',
          formula: "CPU time of the server's process, all threads ÷ events",
          goal: undefined,
        }),
        compared(coded, plain, (one) => one.wireMegabytes, {
          what: 'MB on the wire per million events',
          formula: "bytes that the client has read, head and HTTP's framing included ÷ events",
          goal: undefined,
        }),
        ...(scenario.load.is === 'burst'
          ? [
              compared(coded, plain, (one) => one.eventsPerSecond ?? NaN, {
                what: 'events/s',
                formula: 'events ÷ (receipt of the last, decoded − intended start)',
                goal: undefined,
              }),
            ]
          : []),
      ]
    }),
  )
  for (const coding of codings) {
    const definition = {
      what: 'main CPU, s per million events',
      formula: "CPU time of the server's main thread alone ÷ events",
      goal: undefined,
    }
    const [workers, inline] = [
      { executor: 'workers', coding } as const,
      { executor: 'inline', coding } as const,
    ]
    figures.push(compared(workers, inline, (one) => one.mainCpu, definition))
  }
  const unknown = scenario.codings.filter((coding) => !knowsCoding(coding))
  return [...figures, ...unknown.map((coding) => unmeasured(scenario, coding))]
}

/** So that it is not only missing. */
function unmeasured({ name }: CompressionScenario, coding: Coding): Figure {
  const [subject, baseline] = [coding, undefined].map((one) => ({
    contender: nameOf({ executor: 'workers', coding: one }),
    values: [],
  }))
  const what = `${coding}: not measured`
  const formula = `Node ${process.version} has no ${coding}`
  return figure({ scenario: name, what, formula, goal: undefined }, subject as Side, baseline as Side, [])
}

async function take(
  bench: Bench,
  { name, load }: CompressionScenario,
  { executor, coding }: Contender,
): Promise<Measured> {
  const { testbed, quick } = bench
  const place = `${name} on ${nameOf({ executor, coding })}`
  if (load.is === 'rhythm') {
    const streams = quick ? load.quickStreams : load.streams
    const forMs = quick ? load.quickForMs : load.forMs
    const taken = await takeTicking(bench, { ...load, streams, forMs, executor, coding, place })
    return { ...taken, eventsPerSecond: undefined, failures: [] }
  }
  const { data, eventBytes } = load
  const events = quick ? load.quickEvents : load.events[coding === undefined ? executor : 'coded']
  const [producer, warmUp] = bursts({ events, data, eventBytes })
  const route = { ...testbed.executorOf(executor), flush: 'event', producer, coding } as const
  const plan = { ...route, beside: { ...route, producer: warmUp } }
  return testbed.withServer(plan, async (server) => {
    const taken = await takeStream(server, events, place)
    return { ...taken, failures: busyClients([taken]) }
  })
}
