import { once } from 'node:events'
import { describe, expect, test } from 'vitest'
import { packPiece } from '../../../src/executors/elsewhere/coded-frame.ts'
import { encodeError } from '../../../src/executors/elsewhere/error-transport.ts'
import { farLog } from '../../../src/executors/elsewhere/log.ts'
import { FrameKind } from '../../../src/executors/elsewhere/frames.ts'
import { allocateRing, RingWriter } from '../../../src/executors/workers/ring.ts'
import { until } from '../../../src/testing/flags.ts'
import { PlayedThread, type PlayedStream } from './played-thread.ts'

/** Of the ring's memory, as ring.ts describes it: word indices, and states of `READER`. */
const TAIL = 16
const READER = 32
const [ASLEEP, RESTING] = [1, 2]

/** Resolves when the callbacks of this turn of the event loop, and messages that were posted in it, have run. */
async function turns(count = 3): Promise<void> {
  for (let turn = 0; turn < count; turn++) await new Promise((resolve) => setImmediate(resolve))
}

const wordOf = ({ memory }: PlayedThread, word: number): number => Atomics.load(new Int32Array(memory), word)

const lostBy = (message: string): object => ({
  code: 'HF_ERR_THREAD_LOST',
  message: expect.stringContaining(message) as string,
})

/** Resolves when the worker was terminated; then the pool buries its thread. */
async function over({ thread, worker }: PlayedThread): Promise<void> {
  await once(worker, 'exit')
  thread.bury(new Error('it exited'))
}

/** A client that stops to read, and sends until the kernel takes no more. */
async function fallBehind(played: PlayedThread, stream: PlayedStream): Promise<void> {
  stream.client.socket.pause()
  while (!stream.running.behind) {
    played.send(stream, 'x'.repeat(60_000))
    await turns()
  }
}

/** Sends so often that the reader rests. */
async function untilItRests(played: PlayedThread, stream: PlayedStream): Promise<void> {
  for (let round = 0; wordOf(played, READER) !== RESTING; round++) {
    if (round > 1_000) throw new Error('it never rests')
    const { received } = stream.running
    played.send(stream, '1')
    while (stream.running.received === received) await turns(1)
  }
}

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
  expect([first.running.slot, second.running.slot]).toEqual([0, 1])
  played.ring.write(first.number, FrameKind.DONE)
  await until(() => first.closed !== undefined, 'its end')
  expect(played.thread.takeSlot()).toBe(0)
  expect(played.thread.takeSlot()).toBe(2)
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
  expect(played.thread.takeSlot()).toBe(stream.running.slot)
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

describe('a ring that was overwritten', () => {
  test('ends its thread, and its streams are lost, with what had come before', async () => {
    const played = await PlayedThread.make()
    const stream = await played.open()
    played.ring.write(stream.number, FrameKind.START)
    played.send(stream, '1')
    await stream.client.including('data: 1\n\n')
    new Int32Array(played.memory)[TAIL] = 4
    played.send(stream, '2')
    await over(played)
    expect(played.thread.cause).toMatchObject({
      ...lostBy('it has overwritten its ring'),
      cause: { message: 'the tail has moved' },
    })
    expect((await stream.client.response()).body).toBe('data: 1\n\n')
    expect(stream.closed).toMatchObject({ reason: 'lost', error: played.thread.cause })
  })

  test('is not read again, even if it makes sense again', async () => {
    const played = await PlayedThread.make()
    const stream = await played.open()
    stream.debtor.begin()
    const words = new Int32Array(played.memory)
    words[TAIL] = 4
    played.send(stream, '1')
    await until(() => played.thread.cause !== undefined, 'a cause')
    words[TAIL] = 0
    played.thread.returned(stream.running)
    await turns()
    expect(process.getActiveResourcesInfo()).not.toContain('Immediate')
    played.thread.bury(new Error('it exited'))
    expect((await stream.client.response()).body).toBe('')
    expect([stream.running.received, wordOf(played, TAIL)]).toEqual([0, 0])
  })

  test('does not change what its thread dies of already', async () => {
    const played = await PlayedThread.make()
    const stream = await played.open()
    const cause = (played.thread.cause = new Error('terminated'))
    new Int32Array(played.memory)[TAIL] = 4
    played.send(stream, '1')
    await over(played)
    expect(played.thread.cause).toBe(cause)
  })

  test.each<[what: string, write: (played: PlayedThread, stream: number) => void, cause: string]>([
    [
      'compressed events of a stream that is not',
      ({ ring }, stream) => ring.writeCoded(stream, packPiece(Buffer.from('x'), { crc: 0, size: 1 }), 1),
      'coded: true',
    ],
    [
      'a part of an event, and no end of it',
      ({ ring }, stream) => {
        ring.write(stream, FrameKind.PART, Buffer.from('data: '))
        ring.write(stream, FrameKind.START)
      },
      'an event without its end',
    ],
    [
      'an error that can’t be read',
      ({ ring }, stream) => ring.write(stream, FrameKind.ERROR, Buffer.from('{')),
      'JSON',
    ],
    [
      'a line of a log that can’t be read',
      ({ ring }, stream) => ring.write(stream, FrameKind.LOG, Buffer.from('{')),
      'JSON',
    ],
  ])('is one with %s', async (_, write, cause) => {
    const played = await PlayedThread.make()
    const stream = await played.open()
    stream.debtor.begin()
    write(played, stream.number)
    await over(played)
    const message = expect.stringContaining(cause) as string
    expect(played.thread.cause).toMatchObject({
      ...lostBy('it has overwritten its ring'),
      cause: { message },
    })
    await stream.client.response()
    expect(stream.closed).toMatchObject({ reason: 'lost', error: played.thread.cause })
  })

  test('is one with plain events of a stream that is compressed', async () => {
    const played = await PlayedThread.make({ compress: { encodings: ['gzip'] } })
    const stream = await played.open({ 'accept-encoding': 'gzip' })
    played.send(stream, '1')
    await over(played)
    expect(played.thread.cause).toMatchObject({ cause: { message: 'coded: false' } })
  })
})

describe('a stream whose task has returned', () => {
  test('has its end in the ring, whoever is read first', async () => {
    const played = await PlayedThread.make()
    const stream = await played.open()
    played.bell = false
    played.send(stream, '1')
    played.ring.write(stream.number, FrameKind.DONE)
    // Now the ring is looked at, though no doorbell has come.
    played.thread.returned(stream.running)
    await turns()
    expect(played.done).toEqual([stream.running])
    expect((await stream.client.response()).body).toBe('data: 1\n\n')
    expect(stream.closed).toMatchObject({ reason: 'ended' })
    // Known to be gone.
    const tail = wordOf(played, TAIL)
    played.ring.write(stream.number, FrameKind.START)
    played.thread.returned(stream.running)
    await turns()
    expect([played.thread.cause, wordOf(played, TAIL)]).toEqual([undefined, tail])
  })

  test('and that has no end in the ring has lost it', async () => {
    const played = await PlayedThread.make()
    const [stream, other] = [await played.open(), await played.open()]
    played.thread.returned(stream.running)
    await until(() => played.thread.cause !== undefined, 'a cause')
    expect(played.thread.cause).toMatchObject({ cause: { message: `stream ${stream.number} has no end` } })
    expect(other.closed).toBeUndefined()
  })

  test('is looked for once all is read that the ring held, and once only', async () => {
    const played = await PlayedThread.make()
    const stream = await played.open()
    played.bell = false
    // More than one turn reads.
    for (let part = 0; part < 6; part++) played.send(stream, 'x'.repeat(60_000))
    played.ring.write(stream.number, FrameKind.DONE)
    played.thread.returned(stream.running)
    await stream.client.response()
    expect(stream.closed).toMatchObject({ reason: 'ended', events: 6 })
    // Once it was found it is looked for no more, also when it comes again.
    played.thread.give(stream.running)
    played.bell = true
    const tail = wordOf(played, TAIL)
    played.ring.write(7, FrameKind.START)
    await until(() => wordOf(played, TAIL) !== tail, 'the frame to be read')
    expect(played.thread.cause).toBeUndefined()
  })
})

describe('a worker hears how far its client is', () => {
  test('when it has asked, after each turn that has written', async () => {
    const played = await PlayedThread.make()
    const [stream, other] = [await played.open(), await played.open()]
    stream.debtor.askForMessage()
    other.debtor.askForMessage()
    played.send(stream, '1')
    expect(stream.debtor.owed).toBe(9)
    await until(() => played.notices.length > 0, 'a notice')
    expect([played.notices, stream.debtor.owed]).toEqual([[stream.number], 0])
    // It has not asked again.
    played.send(stream, '2')
    await until(() => stream.debtor.owed === 0, 'the rest')
    await turns()
    expect(played.notices).toEqual([stream.number])
  })

  test('of a turn at its end, where its events leave then', async () => {
    const played = await PlayedThread.make({ flush: 'tick' })
    const stream = await played.open()
    played.send(stream, '1')
    played.send(stream, '2')
    await stream.client.including('data: 2\n\n')
    expect([stream.debtor.owed, stream.client.responses[0]?.chunks]).toEqual([0, ['data: 1\n\ndata: 2\n\n']])
  })

  test('as soon as one that was behind has caught up, though nothing more comes', async () => {
    const played = await PlayedThread.make({ maxBuffered: 2 ** 30 })
    const stream = await played.open()
    await fallBehind(played, stream)
    expect(stream.debtor.owed).toBe(stream.task.sink.buffered)
    expect(stream.debtor.owed).toBeGreaterThan(0)
    stream.debtor.askForMessage()
    played.notices.splice(0)
    stream.client.socket.resume()
    await until(() => played.notices.length > 0, 'a notice')
    expect(played.notices).toEqual([stream.number])
    expect(stream.running.behind).toBe(false)
    // It may be behind, and catch up, once more.
    await fallBehind(played, stream)
    stream.client.socket.resume()
    await until(() => stream.debtor.owed === 0, 'the rest')
  })

  test('and not of a stream that had its place before', async () => {
    const played = await PlayedThread.make({ maxBuffered: 2 ** 30 })
    const stream = await played.open()
    await fallBehind(played, stream)
    played.ring.write(stream.number, FrameKind.DONE)
    await until(() => played.done.length > 0, 'its end')
    const next = await played.open()
    expect(next.running.slot).toBe(stream.running.slot)
    next.debtor.askForMessage()
    stream.client.socket.resume()
    await stream.client.response()
    await until(() => !stream.running.behind, 'its client')
    await turns()
    expect([next.debtor.owed, played.notices]).toEqual([0, []])
  })

  test('and not of one whose place was given to another in the same turn', async () => {
    const played = await PlayedThread.make()
    const [stream, give] = [await played.open(), await played.prepare()]
    let next: PlayedStream | undefined
    played.onDone = () => (next = give())
    played.send(stream, '1')
    played.ring.write(stream.number, FrameKind.DONE)
    await stream.client.response()
    expect(next?.running.slot).toBe(stream.running.slot)
    expect(next?.debtor.owed).toBe(0)
    played.onDone = undefined
  })

  test('and not when it leaves', async () => {
    const played = await PlayedThread.make({ maxBuffered: 2 ** 30 })
    const stream = await played.open()
    await fallBehind(played, stream)
    const { owed } = stream.debtor
    stream.debtor.askForMessage()
    stream.client.destroy()
    await until(() => !stream.running.behind, 'its client')
    await turns()
    expect([stream.debtor.owed, played.notices]).toEqual([owed, []])
    // What it still sends is taken, and waits for nobody.
    played.send(stream, 'x')
    await turns()
    expect(stream.running.behind).toBe(false)
  })
})

describe('the ring is read', () => {
  test('at most 128 KiB a turn, and what is left in the next ones', async () => {
    const played = await PlayedThread.make({ maxBuffered: 2 ** 30 })
    const stream = await played.open()
    const { sink } = stream.task
    const read: number[] = []
    const endTurn = sink.endTurn.bind(sink)
    sink.endTurn = () => {
      read.push(stream.running.received)
      endTurn()
    }
    const event = 'x'.repeat(65_528)
    for (let count = 0; count < 6; count++) played.send(stream, event)
    await until(() => stream.running.received === 6 * 65_536, 'all of it')
    expect(read).toEqual([2, 4, 6].map((count) => count * 65_536))
  })

  test('at once by a reader that sleeps, which goes to sleep again where little comes', async () => {
    const played = await PlayedThread.make()
    const stream = await played.open()
    for (let round = 1; round <= 3; round++) {
      // Long enough after the last event that it counts as none.
      await new Promise((resolve) => setTimeout(resolve, 20))
      played.send(stream, '1')
      expect(played.bells).toBe(round)
      while (stream.running.received < round * 9) await turns(1)
      expect(wordOf(played, READER)).toBe(ASLEEP)
    }
  })

  test('in rests of a millisecond where much comes, almost without a doorbell', async () => {
    const played = await PlayedThread.make()
    const stream = await played.open()
    await untilItRests(played, stream)
    expect(process.getActiveResourcesInfo()).not.toContain('Immediate')
    const { bells } = played
    const { received } = stream.running
    for (let count = 1; count <= 200; count++) {
      played.send(stream, '1')
      while (stream.running.received < received + count * 9) await turns(1)
    }
    expect(played.bells - bells).toBeLessThan(200)
    await until(() => wordOf(played, READER) === ASLEEP, 'sleep')
  })

  test('by a reader that rests, before it is back, when its writer calls', async () => {
    const played = await PlayedThread.make()
    const stream = await played.open()
    await untilItRests(played, stream)
    const { received } = stream.running
    played.send(stream, '2')
    played.ring.hurry()
    expect(wordOf(played, READER)).not.toBe(RESTING)
    await until(() => stream.running.received > received, 'the event')
    await until(() => wordOf(played, READER) === ASLEEP, 'sleep')
  })

  test('once a second where no doorbell has come, until the thread is buried', async () => {
    const played = await PlayedThread.make()
    const stream = await played.open()
    played.bell = false
    played.send(stream, '1')
    await stream.client.including('data: 1\n\n')
    played.thread.bury(new Error('it exited'))
    const tail = wordOf(played, TAIL)
    new RingWriter(played.memory, () => {}).write(9, FrameKind.START)
    await new Promise((resolve) => setTimeout(resolve, 1_200))
    expect(wordOf(played, TAIL)).toBe(tail)
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
