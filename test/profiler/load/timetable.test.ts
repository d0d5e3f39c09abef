import { expect, test } from 'vitest'
import { nowMs } from '../../../profiler/clock.ts'
import { Timetable } from '../../../profiler/load/timetable.ts'
import type { Part } from '../../../profiler/parts.ts'

interface Begun {
  arrival: number
  offsetMs: number
  /** Whether it was due. */
  due: boolean
}

/** All that one part of a schedule begins, until the last has. */
async function begunOf(schedule: readonly number[], part: Part): Promise<Begun[]> {
  const begun: Begun[] = []
  const startMs = nowMs() + 5
  await new Promise<void>((allBegun) => {
    const begin = (offsetMs: number, arrival: number): void => {
      begun.push({ arrival, offsetMs, due: nowMs() >= startMs + offsetMs })
    }
    new Timetable(Float64Array.from(schedule), startMs, part, { begin, allBegun }).begin()
  })
  return begun
}

const SCHEDULE = [0, 0, 1, 4, 4.5, 20, 20, 21]

test('every arrival begins once, in its order, and never before it is due', async () => {
  const begun = await begunOf(SCHEDULE, { place: 0, of: 1 })
  expect(begun).toEqual(SCHEDULE.map((offsetMs, arrival) => ({ arrival, offsetMs, due: true })))
})

test('parts together begin what one begins', async () => {
  const parts = await Promise.all([0, 1, 2].map(async (place) => begunOf(SCHEDULE, { place, of: 3 })))
  expect(parts.map((begun) => begun.map(({ arrival }) => arrival))).toEqual([
    [0, 3, 6],
    [1, 4, 7],
    [2, 5],
  ])
  expect(parts.flat().every(({ due }) => due)).toBe(true)
})

test('a part without arrivals is over at once', async () => {
  expect(await begunOf([0], { place: 1, of: 2 })).toEqual([])
})

test('one that is stopped begins nothing more', async () => {
  const begun: number[] = []
  const startMs = nowMs()
  await new Promise<void>((resolve) => {
    const timetable = new Timetable(
      Float64Array.from([0, 0, 0, 1]),
      startMs,
      { place: 0, of: 1 },
      {
        begin(_, arrival) {
          begun.push(arrival)
          if (arrival === 1) timetable.stop()
        },
        allBegun: () => begun.push(NaN),
      },
    )
    timetable.begin()
    const other = new Timetable(
      Float64Array.from([10]),
      startMs,
      { place: 0, of: 1 },
      { begin: () => resolve() },
    )
    other.begin()
  })
  expect(begun).toEqual([0, 1])
})

test('turns of the loop in which nothing came are polling, others are not', async () => {
  const polled = { quiet: 0, busy: 0 }
  const schedule = Float64Array.from([1.5])
  const startMs = nowMs() + 5
  await new Promise<void>((resolve) => {
    const quiet = { begin: () => resolve(), polled: () => polled.quiet++ }
    new Timetable(schedule, startMs, { place: 0, of: 1 }, quiet, 10).begin()
    const busy = { begin() {}, polled: () => polled.busy++ }
    const noted = new Timetable(schedule, startMs, { place: 0, of: 1 }, busy, 10)
    noted.begin()
    const note = (): void => {
      noted.noteNews()
      if (polled.quiet < 3) setImmediate(note)
    }
    note()
  })
  expect(polled.quiet).toBeGreaterThan(polled.busy)
})
