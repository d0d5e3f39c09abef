import { describe, expect, test } from 'vitest'
import { findCapacity, stepLoad, stoppedBy } from '../../profiler/verdict/capacity.ts'
import { parseCondition } from '../../profiler/verdict/condition.ts'
import type { Measurement } from '../../profiler/plan.ts'
import { capacityWords } from '../../profiler/sections/capacity.ts'
import { EXIT, verdictOf } from '../../profiler/findings/verdict.ts'
import { answering, BRIEFLY, chunk, END, HEAD, measure, planOf } from './profiling.ts'

const CONDITION = parseCondition('--find-capacity', 'errors:rate<0.01')

/** What a server that takes so many streams a second would have made of a real measurement. */
async function upTo(most: number): Promise<(rate: number) => Promise<Measurement>> {
  const url = await answering((socket) => socket.end(HEAD + chunk('data: a\n\n') + END))
  const measured = await measure(url, ...BRIEFLY)
  const valid = { ...measured, lagP99Ms: 0, utilisation: 0, sentForMs: measured.lastIntendedMs }
  return async (rate) => ({ ...valid, outcomes: { good: rate > most ? 1 : valid.arrivals } })
}

async function search(most: number, from: number, precision: number): Promise<number[]> {
  const { steps, highest, lowestFailing } = await findCapacity(CONDITION, from, precision, await upTo(most))
  expect(steps.filter(({ invalid }) => invalid.length > 0)).toEqual([])
  return [...steps.map(({ rate }) => rate), highest ?? 0, lowestFailing ?? 0]
}

describe('the highest rate that holds', () => {
  test('is doubled up to, then bisected', async () => {
    expect(await search(100, 20, 0.1)).toEqual([20, 40, 80, 160, 120, 100, 110, 105, 100, 105])
  })

  test('is halved down to', async () => {
    expect(await search(30, 200, 1)).toEqual([200, 100, 50, 25, 25, 50])
  })

  test('is none where nothing holds', async () => {
    expect(await search(0, 2, 0.1)).toEqual([2, 1, 0.5, 0, 0.5])
  })

  test('is not looked for where the generator cannot keep up, twice', async () => {
    const real = await upTo(Infinity)
    const busy = async (rate: number): Promise<Measurement> => ({
      ...(await real(rate)),
      utilisation: rate > 50 ? 0.9 : 0,
    })
    const { steps, highest, lowestFailing } = await findCapacity(CONDITION, 40, 0.1, busy)
    expect(steps.map(({ rate }) => rate)).toEqual([40, 80, 80])
    expect({ highest, lowestFailing }).toEqual({ highest: 40, lowestFailing: undefined })
  })

  test('is not known where the generator cannot keep up with the first rate', async () => {
    const real = await upTo(Infinity)
    const busy = async (rate: number): Promise<Measurement> => ({ ...(await real(rate)), utilisation: 0.9 })
    const capacity = await findCapacity(CONDITION, 40, 0.1, busy)
    expect(capacity.highest).toBeUndefined()
    expect(stoppedBy(capacity)).toBe('the generator was busy: its loop at 90 %')
    expect(capacityWords(capacity)).toContain('is not known')
    const plan = planOf('http://localhost/')
    const found = { plan, measurement: capacity.steps.at(-1)?.measurement, judged: [], interrupted: false }
    expect(EXIT[verdictOf({ ...found, capacity })]).toBe(3)
    const none = await findCapacity(CONDITION, 2, 0.1, await upTo(0))
    expect(EXIT[verdictOf({ ...found, capacity: none })]).toBe(99)
    // Where no step was over, the search has found out nothing either.
    const interrupted = await findCapacity(CONDITION, 40, 0.1, async () => undefined)
    expect(capacityWords(interrupted)).toBe('The first step of the search was not over.')
  })

  test('of a p99 is tried with as many streams as it needs', () => {
    const load = {
      arrivals: 'poisson',
      seed: 1,
      rate: 1,
      closed: undefined,
      durationMs: 1_000,
      warmupMs: 0,
      connections: 'new',
    } as const
    const p99 = parseCondition('--find-capacity', 'ttfb:p99<50')
    expect(stepLoad(load, 100, p99).durationMs).toBeGreaterThan(10_000)
    expect(stepLoad(load, 100, CONDITION).durationMs).toBe(1_000)
  })
})
