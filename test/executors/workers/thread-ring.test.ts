import { once } from 'node:events'
import { describe, expect, test } from 'vitest'
import { packPiece } from '../../../src/executors/elsewhere/coded-frame.ts'
import { FrameKind } from '../../../src/executors/elsewhere/frames.ts'
import { until } from '../../../src/testing/flags.ts'
import { PlayedThread } from './played-thread.ts'
import { TAIL, wordOf } from './thread-words.ts'
import { turns } from '../../support/waiting.ts'

const lostBy = (message: string): object => ({
  code: 'HF_ERR_THREAD_LOST',
  message: expect.stringContaining(message) as string,
})

/** Resolves when the worker was terminated; then the pool buries its thread. */
async function over({ thread, worker }: PlayedThread): Promise<void> {
  await once(worker, 'exit')
  thread.bury(new Error('it exited'))
}

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
    await turns(3)
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
    await turns(3)
    expect(played.done).toEqual([stream.running])
    expect((await stream.client.response()).body).toBe('data: 1\n\n')
    expect(stream.closed).toMatchObject({ reason: 'ended' })
    // Known to be gone.
    const tail = wordOf(played, TAIL)
    played.ring.write(stream.number, FrameKind.START)
    played.thread.returned(stream.running)
    await turns(3)
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
