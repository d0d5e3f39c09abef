import { expect, test } from 'vitest'
import type { Report } from './leaks-cycles.ts'
import { EXECUTORS } from '../support/executors.ts'
import { runScript } from '../support/processes.ts'

/** Of each executor and reason, so that there are ten thousand. `npm run leaks` makes 2.8 million. */
const CYCLES = 360

/** What may be more than before. What each cycle left behind would be hundreds. */
const FEW: Record<string, number> = {
  // Some are made when something happens for the first time.
  Function: 100,
  // Node keeps the date of its responses for a second.
  Timeout: 4,
  // What loads TypeScript on a thread keeps one of each that dies.
  MessagePort: 8,
}

test(
  'after ten thousand streams that came and went in every way nothing of them stays',
  { timeout: 300_000 },
  async () => {
    const script = new URL('./leaks-cycles.ts', import.meta.url)
    const { before, objectsBefore, objectsAfter, cells, places } = await runScript<Report>(script, {
      args: [EXECUTORS.join(), CYCLES],
      nodeArgs: ['--no-warnings', '--expose-gc'],
      timeout: 290_000,
    })
    const { handles, listeners, files, threads } = before
    const kinds = ['ended', 'client', 'error', 'timeout', 'overflow', 'shutdown', 'none']
    expect(cells.map(({ executor, reason }) => `${executor} ${reason}`)).toEqual([
      ...EXECUTORS.flatMap((executor) => kinds.map((reason) => `${executor} ${reason}`)),
      'workers lost',
    ])
    for (const { executor, reason, cycles, killed, ways, told, looks } of cells) {
      const place = `${executor} ${reason}`
      const isLost = reason === 'lost'
      // Each stream that had opened told its close, once, and for that reason.
      expect({ place, cycles, told, killed }).toEqual({
        place,
        cycles: isLost ? CYCLES / 10 : CYCLES,
        told: reason === 'none' ? {} : { [reason]: cycles },
        killed: isLost ? 1 : 0,
      })
      const gone = Object.values(ways)
      expect(gone.reduce((sum, times) => sum + times, 0)).toBe(cycles)
      for (const times of gone) expect(times).toBeGreaterThanOrEqual(Math.floor(cycles / gone.length))
      expect({ place, ...looks.at(-1) }).toMatchObject({
        place,
        handles,
        listeners,
        files,
        threads,
        counted: 0,
        threadStreams: 0,
      })
    }
    const grown = Object.entries(objectsAfter)
      .map(([name, count]) => ({ name, more: count - (objectsBefore[name] ?? 0) }))
      .filter(({ name, more }) => more > (FEW[name] ?? 0))
    expect(grown).toEqual([])
    // All that a stream was made of, and whatever was waiting for it.
    expect(objectsAfter).toMatchObject({ EventStream: 0, Connection: 0, ServerResponse: 0, AbortSignal: 0 })
    // Every place of the pool is free, and every slot of its shared memory: there are not more of these than places.
    expect(places).toBe(32)
  },
)
