// Loaded by each thread and process that a test starts while Stryker looks which test reaches which mutant. Writes
// down, at once and once each, which mutants were reached here: a thread that is terminated has no other moment.
import { appendFileSync } from 'node:fs'

const { MUTATION_REACHED: file, MUTATION_TEST: test = null } = process.env

if (file !== undefined) {
  const reached = new Proxy(
    {},
    {
      set(counts, mutant, count) {
        if (!(mutant in counts)) appendFileSync(file, `${JSON.stringify([test, mutant])}\n`)
        return Reflect.set(counts, mutant, count)
      },
    },
  )
  Object.assign(globalThis, { __stryker__: { mutantCoverage: { static: reached, perTest: {} } } })
}
