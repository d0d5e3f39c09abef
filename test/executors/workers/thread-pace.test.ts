import { describe, expect, test } from 'vitest'
import { FrameKind } from '../../../src/executors/elsewhere/frames.ts'
import { RingWriter } from '../../../src/executors/workers/ring.ts'
import { until } from '../../../src/testing/flags.ts'
import { PlayedThread, type PlayedStream } from './played-thread.ts'
import { TAIL, READER, wordOf, untilItRests, ASLEEP, RESTING } from './thread-words.ts'
import { turns } from '../../support/waiting.ts'

/** A client that stops to read, and sends until the kernel takes no more. */
async function fallBehind(played: PlayedThread, stream: PlayedStream): Promise<void> {
  stream.client.socket.pause()
  while (!stream.running.behind) {
    played.send(stream, 'x'.repeat(60_000))
    await turns(3)
  }
}

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
    await turns(3)
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
    expect(next.running.cell).toBe(stream.running.cell)
    next.debtor.askForMessage()
    stream.client.socket.resume()
    await stream.client.response()
    await until(() => !stream.running.behind, 'its client')
    await turns(3)
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
    expect(next?.running.cell).toBe(stream.running.cell)
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
    await turns(3)
    expect([stream.debtor.owed, played.notices]).toEqual([owed, []])
    // What it still sends is taken, and waits for nobody.
    played.send(stream, 'x')
    await turns(3)
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
