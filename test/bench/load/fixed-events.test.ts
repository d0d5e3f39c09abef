import { expect, test } from 'vitest'
import { FixedEvents } from '../../../bench/load/fixed-events.ts'
import { nowMs } from '../../../profiler/clock.ts'

const BYTES = 58
const event = (number: number, rest = ''): string => `data: ${`${number} ${rest}`.padEnd(BYTES - 8, '.')}\n\n`

/** Reads a body in pieces of so many bytes, which all stand in the same buffer. */
function read(text: string, size: number, stamped = false): { body: FixedEvents; sentMs: number[] } {
  const sentMs: number[] = []
  const body = new FixedEvents(
    { bytes: BYTES, stamped },
    {
      stamped(latencyMs, atMs) {
        expect(latencyMs).toBeGreaterThanOrEqual(0)
        sentMs.push(atMs)
      },
    },
  )
  const shared = Buffer.alloc(size + 3)
  const bytes = Buffer.from(text)
  for (let at = 0; at < bytes.length; at += size) {
    const length = bytes.copy(shared, 3, at, at + size)
    body.scan(shared, 3, 3 + length)
  }
  return { body, sentMs }
}

const numbered = (...numbers: number[]): string => numbers.map((number) => event(number)).join('')

test.each([1, 20, BYTES, BYTES + 1, 100, 1_000])('in pieces of %i bytes all events are counted', (size) => {
  const { body } = read(numbered(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10), size)
  expect(body).toMatchObject({ events: 11, bytes: 11 * BYTES, inSequence: true })
})

test.each([
  ['an event is missing', numbered(0, 2, 3)],
  ['an event comes twice', numbered(0, 0, 1)],
  ['an event is longer than it should be', `${event(0)}!${event(1)}`],
  ['something else comes', `${event(0)}${'x'.repeat(BYTES)}`],
])('where %s, that is seen', (_, text) => {
  expect(read(text, BYTES).body.inSequence).toBe(false)
})

test('in one piece, only the first event is looked at, unless they are stamped', () => {
  const text = numbered(0, 2)
  expect(read(text, 1_000).body.inSequence).toBe(true)
  expect(read(text, 1_000, true).body.inSequence).toBe(false)
})

test('each stamp is told, in ms', () => {
  const ns = BigInt(Math.floor(nowMs())) * 1_000_000n
  const text = [ns - 3_000_000n, ns - 2_000_000n, ns].map((at, number) => event(number, `${at} `)).join('')
  const { sentMs } = read(text, 1_000, true)
  expect(sentMs.map((ms) => ms - Number(ns) / 1e6)).toEqual([-3, -2, 0])
})
