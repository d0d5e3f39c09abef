import { queryObjects } from 'node:v8'
import { expect, test } from 'vitest'
import { Heartbeat } from '../../src/sse/heartbeat.ts'
import type { ResponseSink } from '../../src/sse/response-sink.ts'
import { until } from '../../src/testing/flags.ts'
import type { RawClient } from '../support/raw-client.ts'
import { serveSink } from '../support/served-response.ts'

const HEARTBEAT_MS = 20

interface Stream {
  sink: ResponseSink
  client: RawClient
}

/** Resolves when a client has had this many heartbeats. */
const heartbeats = async (client: RawClient, count: number): Promise<unknown> =>
  client.including(':\n'.repeat(count))

test('a silent stream gets comments that no client shows', async () => {
  const heartbeat = new Heartbeat(HEARTBEAT_MS)
  const { sink, client } = await serveSink()
  heartbeat.add(sink)
  await heartbeats(client, 3)
  heartbeat.delete(sink)
  expect(sink.events).toBe(0)
})

test('a stream that sends gets none', async () => {
  const heartbeat = new Heartbeat(HEARTBEAT_MS)
  const [silent, busy] = [await serveSink(), await serveSink()]
  heartbeat.add(silent.sink)
  heartbeat.add(busy.sink)
  // In each turn of the loop: the timer never looks twice without an event in between.
  let sends = true
  const send = (): void => {
    busy.sink.write('data: busy\n\n', 1)
    if (sends) setImmediate(send)
  }
  send()
  await heartbeats(silent.client, 3)
  sends = false
  const { events, bytes } = busy.sink
  heartbeat.delete(silent.sink)
  heartbeat.delete(busy.sink)
  expect(bytes).toBe(events * 'data: busy\n\n'.length)
})

test('a stream that falls silent gets them from then on', async () => {
  const heartbeat = new Heartbeat(HEARTBEAT_MS)
  const { sink, client } = await serveSink()
  heartbeat.add(sink)
  sink.write('data: 1\n\n', 1)
  await client.including('data: 1\n\n:\n:\n')
  sink.write('data: 2\n\n', 1)
  await client.including('data: 2\n\n:\n')
  heartbeat.delete(sink)
  expect(sink.events).toBe(2)
})

test('a client that is behind gets none, and what waits for it does not grow', async () => {
  const heartbeat = new Heartbeat(HEARTBEAT_MS)
  const [silent, behind] = [await serveSink(), await serveSink()]
  behind.client.socket.pause()
  while (behind.sink.write(`data: ${'x'.repeat(65_536)}\n\n`, 1));
  const { bytes, buffered } = behind.sink
  heartbeat.add(silent.sink)
  heartbeat.add(behind.sink)
  await heartbeats(silent.client, 3)
  expect({ bytes: behind.sink.bytes, buffered: behind.sink.buffered }).toEqual({ bytes, buffered })
  behind.client.socket.resume()
  await behind.client.including(':\n')
  heartbeat.delete(silent.sink)
  heartbeat.delete(behind.sink)
})

test('a stream that was deleted gets none, while others go on', async () => {
  const heartbeat = new Heartbeat(HEARTBEAT_MS)
  const [deleted, other] = [await serveSink(), await serveSink()]
  heartbeat.add(deleted.sink)
  heartbeat.add(other.sink)
  await heartbeats(deleted.client, 1)
  heartbeat.delete(deleted.sink)
  const { bytes } = deleted.sink
  const had = other.sink.bytes / ':\n'.length
  await heartbeats(other.client, had + 3)
  expect(deleted.sink.bytes).toBe(bytes)
  heartbeat.delete(other.sink)
})

test('one comes per rhythm, not more', async () => {
  const heartbeat = new Heartbeat(HEARTBEAT_MS)
  const { sink, client } = await serveSink()
  heartbeat.add(sink)
  // In step with the heartbeat's own timer, whatever time each of them takes.
  let looks = 0
  const timer = setInterval(() => looks++, HEARTBEAT_MS / 2)
  await heartbeats(client, 6)
  clearInterval(timer)
  heartbeat.delete(sink)
  expect(sink.bytes / ':\n'.length).toBeLessThanOrEqual(looks / 2 + 1)
  // Nor much less: half of it would be too little for a proxy that cuts after little more than a rhythm.
  expect(looks).toBeLessThan(2 * 2 * 6)
})

test('a stream that has just been opened has a rhythm of silence before its first', async () => {
  const heartbeat = new Heartbeat(HEARTBEAT_MS)
  const { sink } = await serveSink()
  heartbeat.add(sink)
  expect(sink.touched).toBe(true)
  heartbeat.delete(sink)
})

/** Resolves when no heartbeat is alive: a timer would hold its own. */
const untilNone = async (): Promise<void> =>
  until(() => queryObjects(Heartbeat, { format: 'count' }) === 0, 'the timers to be stopped')

test('without streams no timer is left', async () => {
  await untilNone()
  const { sink } = await serveSink()
  const come = (): void => {
    const heartbeat = new Heartbeat(2)
    heartbeat.add(sink)
    heartbeat.delete(sink)
  }
  come()
  expect(queryObjects(Heartbeat, { format: 'count' })).toBe(1)
  await untilNone()
})

test('many streams get theirs over several turns of the loop', async () => {
  const heartbeat = new Heartbeat(HEARTBEAT_MS)
  const streams = await Promise.all(Array.from({ length: 100 }, async () => serveSink()))
  const sent = (): number => streams.filter(({ sink }) => sink.bytes > 0).length
  /** How many had theirs when a turn had passed. */
  const turns = [0]
  let watches = true
  const watch = (): void => {
    turns.push(sent())
    if (watches) setImmediate(watch)
  }
  watch()
  for (const { sink } of streams) heartbeat.add(sink)
  await Promise.all(streams.map(async ({ client }) => heartbeats(client, 1)))
  watches = false
  for (const { sink } of streams) heartbeat.delete(sink)
  const perTurn = turns.slice(1).map((count, n) => count - (turns[n] as number))
  expect(Math.max(...perTurn)).toBeLessThan(streams.length)
})

test('streams that are added and deleted while others get theirs', async () => {
  const heartbeat = new Heartbeat(HEARTBEAT_MS)
  const streams = await Promise.all(Array.from({ length: 100 }, async () => serveSink()))
  const [late, ...early] = streams as [Stream, ...Stream[]]
  const last = early.at(-1) as Stream
  for (const { sink } of early) heartbeat.add(sink)
  // After the first turn, in which most have not had theirs.
  while (early.every(({ sink }) => sink.bytes === 0)) await new Promise(setImmediate)
  heartbeat.delete(last.sink)
  heartbeat.add(late.sink)
  await Promise.all([late, ...early.slice(0, -1)].map(async ({ client }) => heartbeats(client, 1)))
  expect(last.sink.bytes).toBe(0)
  for (const { sink } of streams) heartbeat.delete(sink)
})

test('after the last is deleted none comes, also when that happens while others get theirs', async () => {
  const heartbeat = new Heartbeat(HEARTBEAT_MS)
  const streams = await Promise.all(Array.from({ length: 100 }, async () => serveSink()))
  for (const { sink } of streams) heartbeat.add(sink)
  while (streams.every(({ sink }) => sink.bytes === 0)) await new Promise(setImmediate)
  for (const { sink } of streams) heartbeat.delete(sink)
  const had = streams.map(({ sink }) => sink.bytes)
  const other = await serveSink()
  heartbeat.add(other.sink)
  await heartbeats(other.client, 2)
  heartbeat.delete(other.sink)
  expect(streams.map(({ sink }) => sink.bytes)).toEqual(had)
})

test('a stream that has ended gets none, although its response is not over', async () => {
  const heartbeat = new Heartbeat(HEARTBEAT_MS)
  const [ended, other] = [await serveSink(), await serveSink()]
  heartbeat.add(ended.sink)
  heartbeat.add(other.sink)
  ended.sink.write('data: last\n\n', 1)
  ended.sink.end()
  await heartbeats(other.client, 3)
  heartbeat.delete(ended.sink)
  heartbeat.delete(other.sink)
  expect(ended.sink.bytes).toBe('data: last\n\n'.length)
})
