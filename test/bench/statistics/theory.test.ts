import { expect, test } from 'vitest'
import { lindleyWaits } from '../../../bench/statistics/theory.ts'

test('clients who come together wait for all before them', () => {
  expect([...lindleyWaits(Float64Array.of(0, 0, 0), 5)]).toEqual([0, 5, 10])
})

test('nobody waits where the gaps are longer than the service', () => {
  expect([...lindleyWaits(Float64Array.of(0, 6, 12), 5)]).toEqual([0, 0, 0])
})

test('with service times of their own, each waits for what the one before has left', () => {
  const waits = lindleyWaits(Float64Array.of(0, 1, 2, 100), Float64Array.of(50, 1, 1, 1))
  expect([...waits]).toEqual([0, 49, 49, 0])
})
