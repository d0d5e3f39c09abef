import { onTestFinished } from 'vitest'

/** What threads that start die of, while starts are broken. */
export const BROKEN_BY = 'a start that its test has broken'

/** Threads that start from now on die of it, until the test has finished or what is answered is called. */
export function breakStarts(): () => void {
  // Read by test/typescript-loader.js, which is loaded first on each thread.
  process.env['HEADFIRST_BROKEN_STARTS'] = BROKEN_BY
  onTestFinished(mendStarts)
  return mendStarts
}

function mendStarts(): void {
  delete process.env['HEADFIRST_BROKEN_STARTS']
}
