import { expect, test } from 'vitest'

test('what checks the profiler itself can be interrupted: only its children ignore Ctrl-C', async () => {
  const before = process.listenerCount('SIGINT')
  await import('../../profiler/command/self-check.ts')
  expect(process.listenerCount('SIGINT')).toBe(before)
})
