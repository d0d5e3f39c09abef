import { availableParallelism } from 'node:os'
import type { ResourceLimits } from 'node:worker_threads'
import { checkOptions, isObject, milliseconds, whole, type Rule } from '../../runtime/option-rules.ts'

export interface WorkersOptions {
  /** Worker threads, from 1 to 256. Default: as many as the machine runs in parallel. */
  threads?: number
  /**
   * Streams that run on one thread side by side, from 1 to 10000. Default 100, for producers that await. Set 1 for
   * producers that block: then none waits behind another's computation while a thread is free.
   */
  streamsPerThread?: number
  /** Streams that may wait for a place, head in hand, from 0. Over it new ones are refused. Default 1000. */
  maxQueue?: number
  /** How long a stream waits for a place before it is closed as `timeout`, in ms. Default 30000, from 1. */
  maxQueueWaitMs?: number
  /**
   * How long the producer of a cancelled stream may go on, in ms. Then its thread is terminated, and the other
   * streams of that thread end as `lost`. Default 2000, from 0.
   */
  graceMs?: number
  /**
   * How much lower than the server's the threads' priority is, as a nice value from 0 to 19, so that a
   * saturated pool does not take the core from the server's thread. Linux only. Default 10.
   */
  niceIncrement?: number
  /** Limits of each thread's memory, in MiB, as for `worker_threads`. Default: Node's. */
  resourceLimits?: ResourceLimits
}

const RULES: Readonly<Record<keyof WorkersOptions, Rule>> = {
  threads: whole(1, 256),
  streamsPerThread: whole(1, 10_000),
  maxQueue: whole(0),
  maxQueueWaitMs: milliseconds(1),
  graceMs: milliseconds(0),
  niceIncrement: whole(0, 19),
  resourceLimits: ['an object of limits', isObject],
}

const size: Rule = ['a number over 0', (value) => Number.isFinite(value) && (value as number) > 0]

const LIMIT_RULES: Readonly<Record<keyof ResourceLimits, Rule>> = {
  maxYoungGenerationSizeMb: size,
  maxOldGenerationSizeMb: size,
  codeRangeSizeMb: size,
  stackSizeMb: size,
}

/**
 * Checks the options of a pool, and fills in the defaults.
 *
 * @throws HF_ERR_OPTION_UNKNOWN, HF_ERR_OPTION_INVALID
 */
export function resolveWorkersOptions(options: WorkersOptions): Required<WorkersOptions> {
  const { resourceLimits = {}, ...checked } = checkOptions(options, RULES, 'workers()')
  return Object.freeze({
    threads: availableParallelism(),
    streamsPerThread: 100,
    maxQueue: 1_000,
    maxQueueWaitMs: 30_000,
    graceMs: 2_000,
    niceIncrement: 10,
    ...checked,
    resourceLimits: checkOptions(resourceLimits, LIMIT_RULES, 'the resourceLimits of workers()'),
  })
}
