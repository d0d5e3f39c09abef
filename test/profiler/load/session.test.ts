/** What a session measures with options at their limits. */
import { expect, test } from 'vitest'
import { answering, BRIEFLY, chunk, END, HEAD, planOf, session } from '../profiling.ts'

test('times so long that no timer lasts that long end no measurement before it begins', async () => {
  const url = await answering((socket) => socket.end(HEAD + chunk('data: a\n\n') + END))
  const measured = await session(1).measure(planOf(url, ...BRIEFLY, '--timeout', '2147483647ms'))
  expect(measured?.outcomes).toEqual({ good: 10 })
})
