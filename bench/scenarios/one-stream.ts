import type { Goal, RoundsScenario } from './rounds.ts'

/** One client takes one stream of events of one length as fast as they come. */
export interface OneStreamScenario extends RoundsScenario {
  kind: 'one-stream'
  flush: 'event' | 'tick'
  data: 'string' | 'object'
  eventBytes: number
  baseline: 'naive' | 'inline'
  /** Of each stream: so many that it takes a second or more. */
  events: { workers: number; baseline: number }
  quickEvents: number
  goals: { eventsPerSecond: Goal; mainCpu: Goal } | undefined
}

/** Against a message for each event. */
export const WAY_BACK: readonly OneStreamScenario[] = (['event', 'tick'] as const).flatMap((flush) =>
  (['string', 'object'] as const).map((data): OneStreamScenario => ({
    kind: 'one-stream',
    name: `way-back@${data}-${flush}`,
    flush,
    data,
    eventBytes: 58,
    baseline: 'naive',
    events: { workers: 2_000_000, baseline: flush === 'event' ? 200_000 : 1_000_000 },
    quickEvents: 3_000,
    rounds: 5,
    quick: (data === 'string') === (flush === 'event'),
    goals: {
      eventsPerSecond: { is: 'at least', ratio: data === 'string' ? 15 : 6 },
      mainCpu: { is: 'at most', ratio: 1 / 15 },
    },
  })),
)

export const BURST_10000: OneStreamScenario = {
  kind: 'one-stream',
  name: 'burst-10000',
  flush: 'event',
  data: 'string',
  eventBytes: 58,
  baseline: 'inline',
  events: { workers: 10_000, baseline: 10_000 },
  quickEvents: 200,
  rounds: 7,
  quick: false,
  goals: undefined,
}

export const LARGE: OneStreamScenario = {
  kind: 'one-stream',
  name: 'large',
  flush: 'event',
  data: 'string',
  eventBytes: 65_536,
  baseline: 'inline',
  events: { workers: 10_000, baseline: 10_000 },
  quickEvents: 20,
  rounds: 5,
  quick: true,
  goals: undefined,
}
