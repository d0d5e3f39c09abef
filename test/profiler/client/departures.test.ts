import { expect, test } from 'vitest'
import { depart } from '../../../profiler/client/departures.ts'

test('all that depart are closed, once each, in their order, and none at once', async () => {
  const closed: number[] = []
  const departing = async (from: number, count: number): Promise<void> =>
    new Promise((resolve) => {
      for (let one = from; one < from + count; one++) {
        depart(() => {
          closed.push(one)
          if (one === from + count - 1) resolve()
        })
      }
    })
  const first = departing(0, 100)
  expect(closed).toEqual([])
  await first
  // Once all were closed it goes on with those that come later.
  await Promise.all([departing(100, 1), departing(101, 3)])
  expect(closed).toEqual(Array.from({ length: 104 }, (_, one) => one))
})

test('one that departs while others are closed is closed after them', async () => {
  const closed: string[] = []
  await new Promise<void>((resolve) => {
    for (let one = 0; one < 10; one++) depart(() => closed.push('early'))
    depart(() => depart(resolve))
  })
  expect(closed).toHaveLength(10)
})
