import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'
import type { Report } from './cycles.ts'
import { EXECUTORS } from './executors.ts'

/** Of each executor, so that there are ten thousand. */
const CYCLES = 2_500

test(
  'after ten thousand streams that came and went in every way nothing of them stays',
  { timeout: 180_000 },
  async () => {
    const script = fileURLToPath(new URL('./cycles.ts', import.meta.url))
    const { stdout } = await promisify(execFile)(
      process.execPath,
      [...process.execArgv, '--no-warnings', '--expose-gc', script, String(CYCLES)],
      { timeout: 170_000 },
    )
    const { before, after, ways, reasons, opened, census, places } = JSON.parse(stdout) as Report
    for (const executor of EXECUTORS) {
      const { objects, listeners, resources, counted } = after[executor] as Report['before']
      // All that a stream was made of, and whatever was waiting for it.
      expect(objects).toMatchObject({
        EventStream: 0,
        Connection: 0,
        ServerResponse: 0,
        AbortSignal: 0,
      })
      // A closure per stream would be thousands; some are made when something happens for the first time.
      expect((objects['Function'] ?? Infinity) - (before.objects['Function'] ?? 0)).toBeLessThan(100)
      expect({ listeners, resources, counted }).toEqual({
        listeners: before.listeners,
        resources: before.resources,
        counted: 0,
      })
      const gone = Object.values(ways[executor] ?? {})
      expect(gone.reduce((sum, times) => sum + times, 0)).toBe(CYCLES)
      for (const times of gone) expect(times).toBeGreaterThanOrEqual(Math.floor(CYCLES / gone.length))
    }
    // Each stream whose head had left told its close, once.
    expect(Object.values(reasons).reduce((sum, times) => sum + times, 0)).toBe(opened)
    expect(Object.keys(reasons).toSorted()).toEqual(['client', 'ended', 'error'])
    // On a thread only the stream that asks is alive, and every place of the pool is free.
    expect(census).toEqual([1, 1])
    expect(places).toBe(8)
  },
)
