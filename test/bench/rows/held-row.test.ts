import { expect, test } from 'vitest'
import { stepsWithin } from '../../../bench/rows/held-row.ts'

const STEPS = [0, 10_000, 15_000, 20_000, 30_000]

test.each([
  // Some files are for whatever else the process opens.
  ['all of them', Infinity, STEPS],
  ['all of them', 30_500, STEPS],
  ['those that fit, and one at the limit', 20_000, [0, 10_000, 15_000, 19_500]],
  ['those that fit, where the limit is hardly more', 16_000, [0, 10_000, 15_000]],
  ['the first', 10_500, [0, 10_000]],
])('%s: with %d files there are %j streams', (_, files, expected) => {
  expect(stepsWithin(STEPS, files)).toEqual(expected)
})

test('with too few files for the first step it says which limit to raise', () => {
  expect(() => stepsWithin(STEPS, 1_024)).toThrow(
    'held: 10000 open streams need as many file descriptors, and this process may have 1024. Raise it in this shell first: ulimit -n 10500',
  )
})
