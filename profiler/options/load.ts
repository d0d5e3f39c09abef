/** The options of the load, and of when a stream is over. */
import type { End, Load } from '../plan.ts'
import { UsageError } from '../usage-error.ts'
import type { Given } from './given.ts'
import { oneOf, rate, time, whole } from './values.ts'

const DEFAULTS = { rate: 20, durationMs: 10_000, warmupMs: 1_000, timeoutMs: 10_000 }
const MOST_GENERATORS = 64
const MOST_CLIENTS = 100_000
const MOST_HELD = 1_000_000
const MOST_SEED = 2 ** 32 - 1

/** @throws UsageError where options were given that exclude each other */
export function checkOneLoop(given: Given): void {
  if (!given.has('closed')) return
  for (const other of ['rate', 'arrivals', 'findCapacity'] as const) {
    if (!given.has(other)) continue
    const both = `${given.nameOf('closed')} and ${given.nameOf(other)}`
    throw new UsageError(`${both} exclude each other: a closed loop offers no rate`)
  }
}

/** @throws UsageError */
export function endOptions(given: Given): End {
  return {
    events: given.take('events', whole(1), undefined),
    forMs: given.take('for', time(1), undefined),
    timeoutMs: given.take('timeout', time(1), DEFAULTS.timeoutMs),
  }
}

/** @throws UsageError */
export function loadOptions(given: Given): Load {
  return {
    rate: given.has('closed') ? undefined : given.take('rate', rate, DEFAULTS.rate),
    arrivals: given.take('arrivals', oneOf('poisson', 'uniform'), 'poisson'),
    seed: given.take('seed', whole(0, MOST_SEED), 1),
    closed: given.take('closed', whole(1, MOST_CLIENTS), undefined),
    durationMs: given.take('duration', time(1), DEFAULTS.durationMs),
    warmupMs: given.take('warmup', time(0), DEFAULTS.warmupMs),
    connections: given.take('connections', oneOf('new', 'keep-alive'), 'new'),
  }
}

/** @throws UsageError */
export function processOptions(given: Given): { hold: number; generators: number | undefined } {
  return {
    hold: given.take('hold', whole(1, MOST_HELD), 0),
    generators: given.take('generators', whole(1, MOST_GENERATORS), undefined),
  }
}
