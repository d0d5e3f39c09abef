/**
 * Stryker's mutants live in the global of the thread that runs the tests. This takes them to the threads and
 * processes that tests start, and brings back which of them were reached there: see thread.js.
 */
import { existsSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { threadId } from 'node:worker_threads'
import * as fc from 'fast-check'
import { afterAll, afterEach, beforeAll, beforeEach, inject } from 'vitest'

type Counts = Record<string, number>

/** What Stryker keeps in the global. */
interface Stryker {
  activeMutant?: string
  currentTestId?: string
  mutantCoverage?: { static: Counts; perTest: Record<string, Counts> }
}

const { ['__stryker__']: stryker } = globalThis as { ['__stryker__']?: Stryker }
const reached = join(tmpdir(), `headfirst-mutants-${process.pid}-${threadId}`)

function activate(): void {
  // What the instrumented code itself looks at where its global names no mutant.
  if (stryker?.activeMutant !== undefined) process.env['__STRYKER_ACTIVE_MUTANT__'] = stryker.activeMutant
}

// That a property fails is enough: to look for the smallest case of it may take minutes.
fc.configureGlobal({ endOnFailure: true })

if (stryker !== undefined) {
  // A mutant of what runs while a module loads is there already, any other from now on.
  activate()
  beforeAll(activate)

  // What is started outside of any test counts for all of them.
  if (inject('mode' as never) === 'dry-run') process.env['MUTATION_REACHED'] = reached
  beforeEach(() => {
    if (stryker.currentTestId !== undefined) process.env['MUTATION_TEST'] = stryker.currentTestId
  })
  afterEach(() => {
    delete process.env['MUTATION_TEST']
  })

  afterAll(() => {
    if (!existsSync(reached)) return
    const coverage = (stryker.mutantCoverage ??= { static: {}, perTest: {} })
    for (const line of readFileSync(reached, 'utf8').trimEnd().split('\n')) {
      const [test, mutant] = JSON.parse(line) as [string | null, string]
      const counts = test === null ? coverage.static : (coverage.perTest[test] ??= {})
      counts[mutant] ??= 1
    }
    rmSync(reached)
  })
}
