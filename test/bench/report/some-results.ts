import type { BlockRow } from '../../../bench/rows/block-row.ts'
import { figure } from '../../../bench/figures/figure.ts'
import type { Gate } from '../../../bench/rows/gate.ts'
import { percentiles } from '../../../profiler/samples/percentiles.ts'
import type { Results } from '../../../bench/report/results.ts'
import type { Contender } from '../../../bench/scenarios/contender.ts'
import { poissonSchedule } from '../../../profiler/load/schedule.ts'
import { lindleyWaits } from '../../../bench/statistics/theory.ts'

const SERVICE_MS = 5.4
const ALONE_MS = 1.1
const SEED = 1

export const GATE: Gate = {
  sendLagP99Ms: 0.2,
  utilisation: 0.3,
  achieved: 1,
  coreShare: 0.99,
  failures: [],
}

/** As theory has it, and a little beside. */
export function blockRow(contender: Contender, load: number, arrivals: number): BlockRow {
  const perSecond = (load * 1_000) / SERVICE_MS
  const schedule = poissonSchedule(arrivals, perSecond, SEED)
  const isQueue = contender === 'inline' || contender === 'microtask' || contender === 'deferred'
  const waits = lindleyWaits(schedule, SERVICE_MS)
  const measured = waits.map((waitMs, index) => {
    const noiseMs = 0.2 * Math.abs(Math.sin(index))
    return ALONE_MS + (isQueue ? waitMs * 1.02 : contender === 'workers' ? 6 * noiseMs : 0) + noiseMs
  })
  const firstByteMs = percentiles(measured)
  const expected = percentiles(waits.map((waitMs) => waitMs + ALONE_MS))
  return {
    scenario: `block-5ms@${load}`,
    executor: contender,
    contender,
    load,
    perSecond,
    arrivals,
    firstByteMs,
    firstEventMs: firstByteMs,
    theory:
      contender === 'inline' || contender === 'microtask'
        ? {
            serviceMs: SERVICE_MS,
            firstByteAloneMs: ALONE_MS,
            firstByteMs: expected,
            offAtP50: 0.02,
            offAtTail: 0.02,
          }
        : undefined,
    errors: {},
    gate: GATE,
    server: { activeMs: 1, cpuMs: 1, rssBytes: 1 },
    samples: { firstByteMs: [...measured], firstEventMs: [...measured] },
  }
}

/** Of a whole run. */
export function someResults(changes: Partial<Results> = {}): Results {
  const contenders: Contender[] = ['inline', 'microtask', 'deferred', 'workers', 'idle']
  return {
    environment: {
      headfirst: '0.1.0',
      node: 'v20.20.2',
      platform: 'linux x64 6.1',
      cpu: 'Some CPU',
      cores: 2,
      memoryBytes: 2 ** 33,
      peers: {},
    },
    startedAt: '2026-01-02T03:04:05.678Z',
    seed: SEED,
    quick: false,
    full: false,
    interrupted: false,
    serviceMs: { 'block-5ms': SERVICE_MS },
    blocks: [0.5, 0.8, 1.5].flatMap((load) =>
      contenders.map((contender) =>
        blockRow(
          contender,
          load,
          load > 1 || contender === 'inline' || contender === 'workers' ? 1_000 : 100,
        ),
      ),
    ),
    rates: (['inline', 'workers'] as const).map((executor, index) => ({
      scenario: 'events-per-second@tick',
      executor,
      flush: 'tick',
      events: 1_000,
      eventsPerSecond: 1_000_000 - index * 150_000,
      streams: [900_000, 1_000_000],
      gate: GATE,
      server: { activeMs: 1, cpuMs: 1, rssBytes: 1 },
    })),
    held: { rows: [], limits: [] },
    encode: [{ encoder: 'headfirst', event: 'text', eventsPerSecond: 3e6, range: [2e6, 4e6] }],
    handOff: [{ executor: 'inline', p50Us: 0.15, meanUs: 0.16, samples: 1_000 }],
    figures: (['reached', 'missed'] as const).map((name) =>
      figure(
        {
          scenario: name,
          what: 'events/s',
          formula: 'events ÷ time',
          goal: { is: 'at least', ratio: name === 'reached' ? 3 : 30 },
        },
        { contender: 'workers', values: [10, 11, 12] },
        { contender: 'naive', values: [2, 2.1, 2.2] },
        [],
      ),
    ),
    ...changes,
  }
}
