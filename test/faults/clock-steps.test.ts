import { readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import type { Clocked } from './clock-steps-server.ts'
import { EXECUTORS } from '../support/executors.ts'
import { runScript } from '../support/processes.ts'

const here = (path: string): string => fileURLToPath(new URL(path, import.meta.url))

/** Runs the server to its end. The time-out is for safety only: one that waits for the clock would wait for hours. */
async function serve(): Promise<Clocked> {
  const clock = ['--import', here('./clock-steps-clock.ts')]
  return runScript(new URL('./clock-steps-server.ts', import.meta.url), { nodeArgs: clock })
}

test(
  'a clock that steps for hours at every look, on every thread, moves no limit',
  { timeout: 60_000 },
  async () => {
    const { streams, history, hours } = await serve()
    expect(Math.max(...hours.map(Math.abs))).toBeGreaterThan(40)
    const ids = Array.from({ length: 30 }, (_, n) => n).join()
    for (const executor of EXECUTORS) {
      const steady = streams[`/${executor}/steady`]
      // No limit has struck early.
      expect(steady).toMatchObject({ ids, closed: { reason: 'ended', events: 31, executor } })
      // The clock of its thread did step.
      expect(Number(steady?.last)).toBeGreaterThan(0)
      // Nor was one missed; nor a heartbeat.
      const silent = streams[`/${executor}/silent`]
      expect(silent?.closed).toMatchObject({ reason: 'timeout', error: { timeout: 'totalMs' } })
      expect(silent?.comments).toBeGreaterThan(0)
    }
    expect(streams['/full/waits']).toMatchObject({ ids, closed: { reason: 'ended' } })
    expect(streams['/hasty/waits']).toMatchObject({
      ids: '',
      closed: { reason: 'timeout', error: { timeout: 'maxQueueWaitMs' } },
    })
    expect(streams['/workers/waits']?.closed).toMatchObject({ reason: 'ended', events: 40 })
    for (const { closed } of Object.values(streams)) {
      const { admittedMs, headMs, startedMs = headMs, firstEventMs = startedMs, closedMs } = closed.timings
      const order = [0, admittedMs, headMs, startedMs, firstEventMs, closedMs] as number[]
      expect(order).toEqual(order.toSorted((a, b) => a - b))
      expect(closedMs).toBeLessThan(60_000)
    }
    expect(history).toEqual(Array.from({ length: 8 }, (_, n) => `event ${n}`))
  },
)

test('nothing but the profile and its watch over the loop asks for the date', () => {
  const src = here('../../src')
  const files = readdirSync(src, { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.ts'))
  // An example in a comment may.
  const code = (file: string): string => readFileSync(`${src}/${file}`, 'utf8').replaceAll(/^\s*\*.*$/gm, '')
  const dated = files.filter((file) => /\bnew Date\b|\bDate[.(]/.test(code(file))).toSorted()
  // There it is a stamp for people to read, from which nothing is computed.
  expect(dated).toEqual(['runtime/loop-watch.ts', 'runtime/server-profile.ts'])
})
