/** The queue of a pool. */
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import type { Task } from '../../../src/index.ts'
import { Queue } from '../../../src/executors/workers/queue.ts'

const WAIT_MS = 1_000

// The queue reads nothing of a task.
const task = (route: string): Task => ({ route }) as Task

const namesOf = (queue: Queue): string[] => Array.from(queue, ([{ route }]) => route)

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

function made(): { queue: Queue; expired: string[] } {
  const expired: string[] = []
  return { queue: new Queue(WAIT_MS, ({ route }) => void expired.push(route)), expired }
}

describe('a queue', () => {
  test('gives tasks in the order of their arrival', () => {
    const { queue } = made()
    for (const name of ['a', 'b', 'c']) queue.add(task(name))
    expect(namesOf(queue)).toEqual(['a', 'b', 'c'])
    expect(queue.oldest?.route).toBe('a')
  })

  test('has no oldest when it is empty', () => {
    const { queue } = made()
    const only = task('a')
    queue.add(only)
    queue.delete(only)
    expect(queue.oldest).toBeUndefined()
    expect(namesOf(queue)).toEqual([])
  })

  test('lets go of each task that has waited too long, by one timer', () => {
    const { queue, expired } = made()
    queue.add(task('a'))
    queue.watch()
    vi.advanceTimersByTime(WAIT_MS / 2)
    queue.add(task('b'))
    queue.watch()
    expect(vi.getTimerCount()).toBe(1)
    vi.advanceTimersByTime(WAIT_MS / 2)
    expect(expired).toEqual(['a'])
    expect(namesOf(queue)).toEqual(['b'])
    vi.advanceTimersByTime(WAIT_MS / 2)
    expect(expired).toEqual(['a', 'b'])
    expect(vi.getTimerCount()).toBe(0)
  })

  test('has no timer while nothing waits', () => {
    const { queue } = made()
    queue.watch()
    expect(vi.getTimerCount()).toBe(0)
  })

  test('takes tasks back at the places that they had, with the rest of their time', () => {
    const { queue, expired } = made()
    queue.add(task('a'))
    queue.add(task('b'))
    const given = Array.from(queue, ([each, until]) => ({ task: each, until }))
    for (const { task: each } of given) queue.delete(each)
    vi.advanceTimersByTime(WAIT_MS / 2)
    queue.add(task('c'))
    queue.watch()
    queue.addAgain(given)
    queue.watch()
    expect(namesOf(queue)).toEqual(['a', 'b', 'c'])
    vi.advanceTimersByTime(WAIT_MS / 2)
    expect(expired).toEqual(['a', 'b'])
  })

  test('that is closed lets nothing go', () => {
    const { queue, expired } = made()
    queue.add(task('a'))
    queue.watch()
    queue.close()
    vi.advanceTimersByTime(2 * WAIT_MS)
    expect(expired).toEqual([])
  })
})
