import { once } from 'node:events'
import { describe, expect, test } from 'vitest'
import { packPiece } from '../../../src/executors/elsewhere/coded-frame.ts'
import { encodeError } from '../../../src/executors/elsewhere/error-transport.ts'
import { farLog } from '../../../src/executors/elsewhere/log.ts'
import { FrameKind } from '../../../src/executors/elsewhere/frames.ts'
import { allocateRing, RingWriter } from '../../../src/executors/workers/ring.ts'
import { until } from '../../../src/testing/flags.ts'
import { PlayedThread } from './played-thread.ts'
import { TAIL, READER, wordOf, untilItRests, ASLEEP } from './thread-words.ts'

describe('a thread is ready', () => {
  test('once its worker has greeted, and no more when it has a cause', async () => {
    const { thread, hello } = await PlayedThread.started()
    expect([thread.started, thread.ready]).toEqual([false, false])
    thread.greet(hello)
    expect([thread.started, thread.ready]).toEqual([true, true])
    thread.cause = new Error('it dies')
    expect([thread.started, thread.ready]).toEqual([true, false])
  })

  test('and from its greeting on it hears the doorbell; a second greeting changes nothing', async () => {
    const played = await PlayedThread.make()
    expect(wordOf(played, READER)).toBe(ASLEEP)
    played.thread.greet({ ...played.hello, ring: allocateRing(4_096) })
    const stream = await played.open()
    played.send(stream, '1')
    expect(played.bells).toBe(1)
    await stream.client.including('data: 1\n\n')
  })
})

test('a place that is free again is taken before a new one', async () => {
  const played = await PlayedThread.make()
  const [first, second] = [await played.open(), await played.open()]
  expect([first.running.cell, second.running.cell]).toEqual([0, 1])
  played.ring.write(first.number, FrameKind.DONE)
  await until(() => first.closed !== undefined, 'its end')
  expect(played.thread.takeCell()).toBe(0)
  expect(played.thread.takeCell()).toBe(2)
})

test('a thread keeps the process alive as long as it has streams', async () => {
  const played = await PlayedThread.make()
  const holds = (): boolean => (played.serverPort as unknown as { hasRef(): boolean }).hasRef()
  expect(holds()).toBe(false)
  const first = await played.open()
  expect(holds()).toBe(true)
  const second = await played.open()
  played.ring.write(first.number, FrameKind.DONE)
  await until(() => first.closed !== undefined, 'the end of the first')
  expect(holds()).toBe(true)
  played.ring.write(second.number, FrameKind.DONE)
  await until(() => second.closed !== undefined, 'the end of the second')
  expect(holds()).toBe(false)
})

test('a stream that is closed from outside is closed for its worker, which is told so', async () => {
  const played = await PlayedThread.make()
  const [stream, other] = [await played.open(), await played.open()]
  played.thread.close(stream.running, 'timeout')
  expect([stream.debtor.reason, other.debtor.reason]).toEqual(['timeout', undefined])
  await until(() => played.notices.length > 0, 'a notice')
  expect(played.notices).toEqual([stream.number])
})

test('a stream that could not be sent to its worker fails, and its place is free', async () => {
  const played = await PlayedThread.make()
  const stream = await played.open()
  const error = new Error('it could not be cloned')
  played.thread.refuse(stream.running, error)
  await stream.client.response()
  expect(stream.closed).toMatchObject({ reason: 'error', error })
  expect(played.done).toEqual([stream.running])
  expect(played.thread.takeCell()).toBe(stream.running.cell)
})

describe('what a worker sends', () => {
  test('goes to the client of its stream, and counts', async () => {
    const played = await PlayedThread.make()
    const [one, other] = [await played.open(), await played.open()]
    played.ring.write(one.number, FrameKind.START)
    played.send(one, '1')
    played.send(one, '2')
    played.send(other, '3')
    await one.client.including('data: 1\n\ndata: 2\n\n')
    await other.client.including('data: 3\n\n')
    expect([one.running.received, one.task.sink.events]).toEqual([18, 2])
    expect(played.started).toEqual([one.running])
    expect([one.running.started, other.running.started]).toEqual([true, false])
    expect(played.app.sse.stats().executors['played']).toMatchObject({ running: 1, waiting: 1 })
    expect(one.debtor.owed).toBe(0)
  })

  test('is put together where it came in parts', async () => {
    const played = await PlayedThread.make()
    const stream = await played.open()
    const events = ['x'.repeat(600_000), 'y'.repeat(300_000)]
    for (const event of events) {
      played.send(stream, event)
      await stream.client.including(`data: ${event}\n\n`)
    }
    played.ring.write(stream.number, FrameKind.DONE)
    const { body } = await stream.client.response()
    expect(body).toBe(events.map((event) => `data: ${event}\n\n`).join(''))
    expect(stream.closed).toMatchObject({ reason: 'ended', events: 2, bytes: 900_016 })
    expect(stream.running.received).toBe(900_016)
  })

  test('passes as it is where it was compressed there, and the body ends with its checksum', async () => {
    const played = await PlayedThread.make({ compress: { encodings: ['gzip'] } })
    const stream = await played.open({ 'accept-encoding': 'gzip' })
    const checksum = { crc: 0x44434241, size: 0x48474645 }
    const pieces = ['one', 'two'].map((blocks) => packPiece(Buffer.from(blocks), checksum))
    for (const piece of pieces) played.ring.writeCoded(stream.number, piece, 2)
    await stream.client.including('onetwo')
    played.ring.write(stream.number, FrameKind.DONE)
    expect((await stream.client.response()).body.slice(-8)).toBe('ABCDEFGH')
    expect([stream.task.sink.events, stream.running.received]).toEqual([4, Buffer.concat(pieces).length])
    expect(stream.closed?.reason).toBe('ended')
  })

  test('ends the stream when its producer has closed it, and its place is free when the producer is done', async () => {
    const played = await PlayedThread.make()
    const stream = await played.open()
    played.ring.write(stream.number, FrameKind.START)
    played.send(stream, '1')
    played.ring.write(stream.number, FrameKind.CLOSE)
    expect((await stream.client.response()).body).toBe('data: 1\n\n')
    expect(stream.closed).toMatchObject({ reason: 'ended', events: 1 })
    expect([played.done, played.thread.streams.size]).toEqual([[], 1])
    played.ring.write(stream.number, FrameKind.DONE)
    await until(() => played.done.length > 0, 'its end')
    expect([played.done, played.thread.streams.size]).toEqual([[stream.running], 0])
    expect(played.app.sse.stats().executors['played']).toMatchObject({ running: 0, waiting: 0 })
  })

  test('ends the stream as failed when its producer has thrown', async () => {
    const played = await PlayedThread.make()
    const stream = await played.open()
    played.ring.write(stream.number, FrameKind.START)
    played.ring.write(stream.number, FrameKind.ERROR, encodeError(new RangeError('too far')))
    await stream.client.response()
    expect(stream.closed).toMatchObject({
      reason: 'error',
      error: { name: 'RangeError', message: 'too far' },
    })
    expect(played.done).toEqual([stream.running])
    expect(played.thread.cause).toBeUndefined()
  })

  test('to its log stands in that of the request', async () => {
    const played = await PlayedThread.make()
    const stream = await played.open()
    farLog((line) => played.ring.write(stream.number, FrameKind.LOG, line), 'info').info(
      { answer: 42 },
      'hello',
    )
    const line = () => played.logged.find(({ msg }) => msg === 'hello')
    await until(() => line() !== undefined, 'the line')
    expect(line()).toMatchObject({ level: 30, answer: 42, reqId: stream.task.context.requestId })
  })

  test('of a stream that is gone is left out', async () => {
    const played = await PlayedThread.make()
    const [gone, stream] = [await played.open(), await played.open()]
    played.ring.write(gone.number, FrameKind.DONE)
    played.send(gone, 'late')
    for (const kind of Object.values(FrameKind)) {
      if (kind !== FrameKind.DATA && kind !== FrameKind.CODED) played.ring.write(gone.number, kind)
    }
    played.send(stream, '1')
    await stream.client.including('data: 1\n\n')
    expect(played.thread.cause).toBeUndefined()
    expect([played.started, played.done]).toEqual([[], [gone.running]])
    expect((await gone.client.response()).body).toBe('')
  })
})

describe('a thread that is buried', () => {
  test('delivers what its ring holds, loses what it had begun, and hands back the others', async () => {
    const played = await PlayedThread.make()
    const streams = []
    for (let count = 0; count < 4; count++) streams.push(await played.open())
    const [started, begun, first, second] = streams as [
      (typeof streams)[0],
      (typeof streams)[0],
      (typeof streams)[0],
      (typeof streams)[0],
    ]
    played.bell = false
    played.ring.write(started.number, FrameKind.START)
    // More than one turn would read.
    for (let part = 0; part < 6; part++) played.send(started, 'x'.repeat(60_000))
    begun.debtor.begin()
    const cause = new Error('it exited')
    const closed = once(played.port, 'close')
    played.thread.bury(cause)
    expect(played.orphaned).toEqual([[first.running, second.running]])
    expect(played.done).toEqual(streams.map(({ running }) => running))
    expect([played.thread.cause, played.thread.streams.size]).toEqual([cause, 0])
    await started.client.response()
    await begun.client.response()
    expect(started.closed).toMatchObject({ reason: 'lost', events: 6, error: cause })
    expect(begun.closed).toMatchObject({ reason: 'lost', events: 0, error: cause })
    expect([first.closed, second.closed]).toEqual([undefined, undefined])
    await closed
  })

  test('has none to hand back where all had begun, and died of what it was known to die of', async () => {
    const played = await PlayedThread.make()
    const stream = await played.open()
    stream.debtor.begin()
    const cause = (played.thread.cause = new Error('terminated'))
    played.thread.bury(new Error('it exited'))
    expect(played.orphaned).toEqual([])
    await stream.client.response()
    expect([played.thread.cause, stream.closed?.error]).toEqual([cause, cause])
  })

  test('leaves no timer behind', async () => {
    const played = await PlayedThread.make()
    const stream = await played.open()
    stream.running.grace = setTimeout(() => expect.unreachable('its grace'), 50)
    await untilItRests(played, stream)
    const tail = wordOf(played, TAIL)
    played.thread.bury(new Error('it exited'))
    new RingWriter(played.memory, () => {}).write(9, FrameKind.START)
    await new Promise((resolve) => setTimeout(resolve, 100))
    expect(wordOf(played, TAIL)).toBe(tail)
  })

  test('before it has greeted has nothing to deliver', async () => {
    const { thread, orphaned } = await PlayedThread.started()
    const cause = new Error('it exited')
    thread.bury(cause)
    expect([thread.cause, thread.started, orphaned]).toEqual([cause, false, []])
  })
})

test('utilization is that since the last time it was asked for', async () => {
  const { thread, worker } = await PlayedThread.make()
  const word = new Int32Array(new SharedArrayBuffer(4))
  worker.postMessage(word)
  await once(worker, 'message')
  thread.utilization()
  await new Promise((resolve) => setTimeout(resolve, 50))
  expect(thread.utilization()).toBe(1)
  Atomics.store(word, 0, 1)
  Atomics.notify(word, 0)
  await new Promise((resolve) => setTimeout(resolve, 100))
  thread.utilization()
  await new Promise((resolve) => setTimeout(resolve, 100))
  expect(thread.utilization()).toBeLessThan(0.5)
})
