import { setImmediate as nextTurn } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { severally } from '../../../profiler/load/severally.ts'

/** How often something was done, and how much of it at the same time. */
async function counted(
  times: number,
  atATime: number,
  isOver?: (done: number) => boolean,
): Promise<{ done: number; most: number }> {
  let [running, done, most] = [0, 0, 0]
  await severally(
    { times, atATime },
    async () => {
      most = Math.max(most, ++running)
      await nextTurn()
      running--
      done++
    },
    isOver === undefined ? undefined : () => isOver(done),
  )
  return { done, most }
}

test.each([
  [10, 3, 3],
  [2, 5, 2],
  [0, 5, 0],
  [4, 1, 1],
])('%i times, %i at a time', async (times, atATime, most) => {
  expect(await counted(times, atATime)).toEqual({ done: times, most })
})

test('once it is over, no more begin', async () => {
  expect(await counted(100, 1, (done) => done >= 4)).toEqual({ done: 4, most: 1 })
})

test('what fails fails all of it', async () => {
  await expect(
    severally({ times: 2, atATime: 1 }, async () => {
      throw new Error('It is gone')
    }),
  ).rejects.toThrow('It is gone')
})
