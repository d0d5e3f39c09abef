import { describe, expect, test } from 'vitest'
import { deferred, workers, type DeferredOptions, type WorkersOptions } from '../../src/index.ts'

const LONGEST_MS = 2_147_483_647

describe('workers()', () => {
  test.each<WorkersOptions>([
    {},
    { threads: 1, streamsPerThread: 1, maxQueue: 0, maxQueueWaitMs: 1, graceMs: 0, niceIncrement: 0 },
    { threads: 256, streamsPerThread: 1, maxQueueWaitMs: LONGEST_MS, graceMs: LONGEST_MS, niceIncrement: 19 },
    { threads: 1, streamsPerThread: 10_000, maxQueue: Number.MAX_SAFE_INTEGER },
    { resourceLimits: {} },
    {
      resourceLimits: {
        maxYoungGenerationSizeMb: 0.5,
        maxOldGenerationSizeMb: 64,
        codeRangeSizeMb: 16,
        stackSizeMb: 4,
      },
    },
  ])('takes %o', (options) => {
    expect(() => workers(options)).not.toThrow()
  })

  test('takes an option that is undefined as absent', () => {
    expect(() => workers({ threads: undefined, resourceLimits: undefined } as never)).not.toThrow()
  })

  test.each<[option: string, bad: unknown[], expected: string]>([
    ['threads', [0, 257, 1.5, '2', null, NaN], 'a whole number from 1 to 256'],
    ['streamsPerThread', [0, 10_001, -1, Infinity], 'a whole number from 1 to 10000'],
    ['maxQueue', [-1, 0.5, Infinity], 'a whole number from 0'],
    ['maxQueueWaitMs', [0, LONGEST_MS + 1], 'a whole number from 1 to 2147483647'],
    ['graceMs', [-1, LONGEST_MS + 1], 'a whole number from 0 to 2147483647'],
    ['niceIncrement', [-1, 20], 'a whole number from 0 to 19'],
    ['resourceLimits', [null, 64, [], 'small'], 'an object of limits'],
  ])('refuses %s: %o', (option, bad, expected) => {
    for (const value of bad) {
      expect(() => workers({ [option]: value })).toThrow(
        expect.objectContaining({
          code: 'HF_ERR_OPTION_INVALID',
          message: expect.stringContaining(
            `"${option}" in workers() must be ${expected}, but got `,
          ) as string,
        }),
      )
    }
  })

  test.each([0, -1, '64', NaN, null])('refuses a limit of memory that is %o', (value) => {
    expect(() => workers({ resourceLimits: { maxOldGenerationSizeMb: value as number } })).toThrow(
      '"maxOldGenerationSizeMb" in the resourceLimits of workers() must be a number over 0, but got ',
    )
  })

  test.each<[object, string]>([
    [{ thread: 2 }, 'Unknown option "thread" in workers()'],
    [
      { resourceLimits: { maxOldGenerationSizeMB: 64 } },
      '"maxOldGenerationSizeMB" in the resourceLimits of workers()',
    ],
  ])('refuses what has no such name: %o', (options, message) => {
    expect(() => workers(options)).toThrow(
      expect.objectContaining({
        code: 'HF_ERR_OPTION_UNKNOWN',
        message: expect.stringContaining(message) as string,
      }),
    )
  })
})

describe('deferred()', () => {
  test.each<DeferredOptions>([{}, { sliceMs: 1 }, { sliceMs: LONGEST_MS }])('takes %o', (options) => {
    expect(() => deferred(options)).not.toThrow()
  })

  test.each([0, 0.5, '5', null])('refuses sliceMs: %o', (sliceMs) => {
    expect(() => deferred({ sliceMs: sliceMs as number })).toThrow(
      expect.objectContaining({
        code: 'HF_ERR_OPTION_INVALID',
        message: expect.stringContaining('"sliceMs" in deferred() must be a whole number from 1') as string,
      }),
    )
  })

  test('refuses what has no such name', () => {
    expect(() => deferred({ slice: 5 } as DeferredOptions)).toThrow(
      expect.objectContaining({ code: 'HF_ERR_OPTION_UNKNOWN' }),
    )
  })
})
