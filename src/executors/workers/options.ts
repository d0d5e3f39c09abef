import { availableParallelism } from 'node:os'
import type { ResourceLimits } from 'node:worker_threads'
import { checkOptions, isObject, milliseconds, whole, type Rule } from '../../runtime/option-rules.ts'

/**
 * Options of {@link workers}.
 *
 * @example
 * const blocking: WorkersOptions = { threads: 2, streamsPerThread: 1, maxQueue: 100 }
 */
export interface WorkersOptions {
  /**
   * Number of worker threads: a whole number from 1 to 256.
   *
   * @default `os.availableParallelism()`
   */
  threads?: number
  /**
   * Streams that run concurrently on one thread: a whole number from 1 to 10000. The default is for producers that
   * await. Set 1 for producers that block: then none waits for another's computation while a thread is free.
   *
   * @default 100
   */
  streamsPerThread?: number
  /**
   * Streams that may wait for a place after their head has left: a whole number from 0. Above it, new streams are
   * refused before their head, with 503.
   *
   * @default 1000
   */
  maxQueue?: number
  /**
   * How long a stream waits for a place before it is closed as `timeout`, in ms: a whole number from 1 to 2147483647.
   *
   * @default 30000
   */
  maxQueueWaitMs?: number
  /**
   * How long the producer of a cancelled stream may still run, in ms: a whole number from 0 to 2147483647. Then its
   * thread is terminated, and the other streams of that thread end as `lost`.
   *
   * @default 2000
   */
  graceMs?: number
  /**
   * How much lower than the server's the threads' priority is: a nice value, a whole number from 0 to 19. With a lower
   * priority a saturated pool does not take the core from the server's thread. Linux only; ignored elsewhere.
   *
   * @default 10
   */
  niceIncrement?: number
  /**
   * Limits of each thread's memory, in MiB, each a number over 0, as for `worker_threads`.
   *
   * @default Node's own limits
   */
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
 * Checks the options of a pool, and adds the defaults.
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
