/** The summary of a profile, of servers some of whose streams fail. */
import { expect, test } from 'vitest'
import { parseProfileArguments } from '../../../profiler/command/arguments.ts'
import { runProfile } from '../../../profiler/findings/run-profile.ts'
import type { ResolvedProfile } from '../../../profiler/options/resolved-profile.ts'
import { summary } from '../../../profiler/sections/summary.ts'
import { answering, BRIEFLY, chunk, END, HEAD } from '../profiling.ts'

/** The summary for a server that answers with an event, or with 503 where `fails` holds for the number of the stream. */
async function summaryOf(fails: (stream: number) => boolean, ...options: string[]): Promise<string> {
  let stream = 0
  const url = await answering((socket) => {
    socket.end(
      fails(stream++) ? 'HTTP/1.1 503 Full\r\ncontent-length: 0\r\n\r\n' : HEAD + chunk('data: a\n\n') + END,
    )
  })
  const args = [url, ...BRIEFLY, '--generators', '1', ...options]
  const findings = await runProfile(parseProfileArguments(args).profile as ResolvedProfile, {
    command: 'a test',
    before: undefined,
    onProgress: () => {},
    signal: new AbortController().signal,
  })
  return summary(findings)
}

test('of streams that are all good, it has the times that clients waited', async () => {
  expect(await summaryOf(() => false)).toMatch(
    /^Half of the clients had the first byte within [\d.]+ ms and the first event within [\d.]+ ms; one in ten waited longer than [\d.]+ ms for the byte, or [\d.]+ ms for the event\.$/m,
  )
})

test('of a tenth and more that fail, it has no time in place of a failure', async () => {
  const words = await summaryOf((stream) => stream % 4 === 0)
  expect(words).toMatch(/^Half of the clients had .* within [\d.]+ ms; one in ten failed\.$/m)
  expect(words).toContain('Failed: 3 status (503: 3).')
})

test('of more than half that fail, it has no times at all', async () => {
  const words = await summaryOf((stream) => stream > 0)
  expect(words).toContain('At least half of the streams failed.')
  expect(words).not.toContain('Half of the clients')
  expect(words).toContain('Failed: 9 status (503: 9).')
})

test('of a capacity that was not found, it has why the streams failed', async () => {
  const words = await summaryOf(() => true, '--find-capacity', 'errors:rate<0.5', '--rate', '0.9')
  expect(words).toMatch(/^No rate was found at which errors:rate<0\.5 holds: not even the lowest\.$/m)
  expect(words).toMatch(/^Failed: 1 status \(503: 1\)\./m)
})
