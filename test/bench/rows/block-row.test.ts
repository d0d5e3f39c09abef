import { expect, test } from 'vitest'
import { broken } from '../../../bench/rows/block-row.ts'

const scenario = { blockMs: 5 }
const recording = (firstByteMs: number, firstEventMs: number): Parameters<typeof broken>[1] => ({
  firstByteMs: Float64Array.of(firstByteMs, firstByteMs + 1, Infinity),
  firstEventMs: Float64Array.of(firstEventMs, firstEventMs + 1, Infinity),
})

test('without a flush, head and event come together', () => {
  const contender = 'node:http unflushed'
  expect(broken({ contender, scenario }, recording(9, 9))).toEqual([])
  expect(broken({ contender, scenario }, recording(2, 9))).toEqual([
    'the bench is broken: an unflushed head is 7.0 ms ahead of its event',
  ])
})

test('with a flush, the head is ahead', () => {
  const contender = 'node:http'
  expect(broken({ contender, scenario }, recording(2, 9))).toEqual([])
  expect(broken({ contender, scenario }, recording(9, 9.2))).toEqual([
    'the bench is broken: a flushed head is only 0.2 ms ahead of its event',
  ])
})

test('where no stream was good, nothing was shown', () => {
  const nothing = { firstByteMs: Float64Array.of(Infinity), firstEventMs: Float64Array.of(Infinity) }
  expect(broken({ contender: 'node:http', scenario }, nothing)).toHaveLength(1)
  expect(broken({ contender: 'node:http unflushed', scenario }, nothing)).toHaveLength(1)
})

test('of others nothing is expected', () => {
  expect(broken({ contender: 'inline', scenario }, recording(9, 9))).toEqual([])
})
