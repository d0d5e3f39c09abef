import { expect, test } from 'vitest'
import { together, type Recording } from '../../../bench/load/recording.ts'

/** What one process has recorded whose arrivals are these, by their number among all. */
function recording(arrivals: readonly number[], rest: Partial<Recording> = {}): Recording {
  const by = (tenths: number): Float64Array => Float64Array.from(arrivals, (arrival) => arrival + tenths / 10)
  return {
    lagMs: by(1),
    firstByteMs: by(2),
    firstEventMs: by(3),
    lastEventMs: by(4),
    outcomes: { good: arrivals.length },
    events: 2 * arrivals.length,
    bytes: 100 * arrivals.length,
    wireBytes: 150 * arrivals.length,
    stampsMs: by(5),
    latenciesMs: by(6),
    utilisation: 0.1,
    cpuMs: 5,
    sentForMs: 10,
    ...rest,
  }
}

test('what one process has recorded stays as it is', () => {
  const alone = recording([0, 1, 2])
  expect(together([alone])).toBe(alone)
})

test('every n-th arrival of several processes comes to its place again', () => {
  const parts = [recording([0, 3, 6]), recording([1, 4, 7]), recording([2, 5])]
  const all = recording([0, 1, 2, 3, 4, 5, 6, 7])
  const { lagMs, firstByteMs, firstEventMs, lastEventMs } = all
  expect(together(parts)).toMatchObject({ lagMs, firstByteMs, firstEventMs, lastEventMs })
})

test('counts are added, and of what tells how busy a process was the worst counts', () => {
  const parts = [
    recording([0, 2], { utilisation: 0.2, sentForMs: 30, outcomes: { good: 1, reset: 1 } }),
    recording([1], { utilisation: 0.6, sentForMs: 20, cpuMs: 7, outcomes: { reset: 1 } }),
  ]
  expect(together(parts)).toMatchObject({
    outcomes: { good: 1, reset: 2 },
    events: 6,
    bytes: 300,
    wireBytes: 450,
    utilisation: 0.6,
    cpuMs: 12,
    sentForMs: 30,
  })
  expect(together(parts).latenciesMs.toSorted()).toEqual(recording([0, 1, 2]).latenciesMs)
})
