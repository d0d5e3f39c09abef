import { beforeAll, expect, test } from 'vitest'
import type { Versions } from './producer-versions-server.ts'
import { runScript } from '../support/processes.ts'

let versions: Versions

// Where modules are Node's own, as the runner of these tests loads them its own way.
beforeAll(async () => {
  versions = await runScript(new URL('./producer-versions-server.ts', import.meta.url))
}, 60_000)

test.each([1, 2])(
  'producers of one name are those of their own module, on threads as inline (round %s)',
  (round) => {
    const expected: Record<string, string> = {
      'folder-1': 'folder 1',
      'folder-2': 'folder 2',
      'query-1': 'file?v=1',
      'query-2': 'file?v=2',
    }
    for (const [name, version] of Object.entries(expected)) {
      expect(versions[`${name}, round ${round}`]).toEqual({ inline: version, workers: version })
    }
  },
)

test('a module whose file changes stays as it is where it was loaded, and a thread that starts later has the new one', () => {
  expect(versions['before the change']).toEqual({ inline: 'old', workers: 'old' })
  expect(versions['after the change, on the same thread']).toEqual({ inline: 'old', workers: 'old' })
  expect(versions['after the change, on a new thread']).toEqual({ inline: 'old', workers: 'new' })
})

test('a change that takes the producer away, or breaks the module, ends one stream on a new thread as error, refuses the next, and harms no others', () => {
  expect(versions['without the producer, on a new thread']).toEqual({
    inline: 'old',
    workers: 'error HF_ERR_PRODUCER_NOT_EXPORTED',
  })
  expect(versions['broken, on a new thread']).toEqual({
    inline: 'old',
    workers: 'refused HF_ERR_PRODUCER_MODULE',
  })
  expect(versions['another one, on that thread']).toEqual({ inline: 'folder 2', workers: 'folder 2' })
  expect(versions['mended, on a new thread']).toEqual({ inline: 'old', workers: 'mended' })
})
