import { Worker } from 'node:worker_threads'
import { gunzipSync } from 'node:zlib'
import { describe, expect, test } from 'vitest'
import { unpackPieces } from '../../../src/executors/elsewhere/coded-frame.ts'
import { allocateCredit, Creditor, Debtor } from '../../../src/executors/workers/credit.ts'
import { RingSink } from '../../../src/executors/workers/ring-sink.ts'
import { FrameKind } from '../../../src/executors/elsewhere/frames.ts'
import { allocateRing, MIN_RING_BYTES, RingReader, RingWriter } from '../../../src/executors/workers/ring.ts'
import { CodedBody, Compressor } from '../../../src/sse/compression.ts'
import { Reading } from '../../support/ring/frames.ts'

/** Of the memory of credit, as credit.ts describes it. */
const [CLOSED, DRAINED] = [0, 1]
const BY_CLIENT = 2

interface Options {
  highWaterMark?: number
  blockOver?: number
  compressor?: Compressor
}

/** A sink, and the other ends of its ring and its credit on the same thread. */
class Both {
  readonly credit = allocateCredit(1)
  readonly creditor = new Creditor(this.credit, 0)
  readonly debtor = new Debtor(this.credit, 0)
  readonly reader: RingReader
  readonly sink: RingSink
  bells = 0

  constructor({ highWaterMark = 20, blockOver, compressor }: Options = {}) {
    const memory = allocateRing(MIN_RING_BYTES)
    const writer = new RingWriter(memory, () => this.bells++)
    this.reader = new RingReader(memory)
    this.sink = new RingSink(writer, 1, this.debtor, { highWaterMark, blockOver }, compressor)
  }

  /** What has come through the ring. */
  get read(): string {
    const reading = new Reading()
    this.reader.drain(Infinity, reading)
    return reading.streams[1] ?? ''
  }
}

const CLOSE = `\0${String.fromCharCode(FrameKind.CLOSE)}`

/** Resolves when callbacks of promises that are settled by now have run. */
const settled = async (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

/** What has become of a promise. */
function watch<T>(promise: Promise<T>): { value: T | 'pending' } {
  const seen: { value: T | 'pending' } = { value: 'pending' }
  void promise.then((value) => (seen.value = value))
  return seen
}

describe('what is written', () => {
  test('goes through the ring, and is owed; over the high-water mark the answer is false', () => {
    const both = new Both()
    expect(both.sink.write('data: 1\n\n', 1)).toBe(true)
    // Twenty bytes now, which is not over it.
    expect(both.sink.writeLine('éx')).toBe(true)
    expect(both.debtor.owed).toBe(20)
    expect(both.sink.write(':', 0)).toBe(false)
    expect(both.debtor.owed).toBe(21)
    expect(both.read).toBe(Buffer.from('data: 1\n\ndata: éx\n\n:').toString('latin1'))
  })

  test('is compressed where it has to be, and owed as what that makes', () => {
    const compressor = new Compressor('gzip')
    const both = new Both({ compressor })
    both.sink.write('data: 1\n\n', 1)
    both.sink.writeLine('2')
    const frames: Buffer[] = []
    let events = 0
    both.reader.drain(Infinity, {
      data(_, bytes, count, coded) {
        expect(coded).toBe(true)
        frames.push(bytes)
        events += count
      },
      control: () => expect.unreachable('a frame of control'),
    })
    const pieces = Buffer.concat(frames)
    expect(both.debtor.owed).toBe(pieces.length)
    const { blocks, checksum } = unpackPieces(pieces)
    const body = new CodedBody('gzip')
    expect(gunzipSync(Buffer.concat([body.prefix(), blocks, body.end('', checksum)])).toString()).toBe(
      'data: 1\n\ndata: 2\n\n',
    )
    expect(events).toBe(2)
    both.sink.finish()
    expect(() => compressor.compress(Buffer.from('late'))).toThrow('closed')
  })

  test('is refused once the stream was closed from outside, which needs no frame of its own', async () => {
    const both = new Both()
    both.creditor.close('client')
    expect(both.sink.closed).toBe(true)
    expect(both.sink.write('data: 1\n\n', 1)).toBe(false)
    expect(both.sink.writeLine('1')).toBe(false)
    expect(await both.sink.ready()).toBe(false)
    expect(both.sink.readySync(0)).toBe(false)
    both.sink.end()
    expect(both.read).toBe('')
    expect(both.debtor.owed).toBe(0)
  })

  test('is refused after end(), which says once that it was', async () => {
    const both = new Both()
    const over = watch(both.sink.untilClosed().then(() => 'closed'))
    await settled()
    expect(over.value).toBe('pending')
    both.sink.end()
    both.sink.end()
    expect(both.sink.closed).toBe(true)
    expect(both.sink.write('late', 1)).toBe(false)
    expect(await both.sink.ready()).toBe(false)
    await settled()
    expect(over.value).toBe('closed')
    expect(both.read).toBe(CLOSE)
  })

  test('is refused after finish(), which says nothing', async () => {
    const both = new Both()
    const over = watch(both.sink.untilClosed().then(() => 'closed'))
    both.sink.finish()
    expect(both.sink.write('late', 1)).toBe(false)
    await settled()
    expect(over.value).toBe('closed')
    await both.sink.untilClosed()
    expect(both.read).toBe('')
  })
})

describe('ready()', () => {
  test('holds at once below the mark, and above it when enough was taken', async () => {
    const both = new Both()
    both.sink.write('x'.repeat(20), 1)
    expect(await both.sink.ready()).toBe(true)
    both.sink.write('x', 1)
    expect(both.reader.rest()).toBe(true)
    const [one, other] = [watch(both.sink.ready()), watch(both.sink.ready())]
    // A reader that rests is wanted.
    expect(both.bells).toBe(1)
    // Both take place when it was asked for, and it is asked for again as long as it is too little.
    both.sink.write('x', 1)
    expect(both.creditor.drained(1)).toBe(true)
    both.sink.wake()
    await settled()
    expect([one.value, other.value]).toEqual(['pending', 'pending'])
    expect(both.creditor.drained(2)).toBe(true)
    both.sink.wake()
    await settled()
    expect([one.value, other.value]).toEqual([true, true])
    // Nobody waits any more.
    expect(both.creditor.drained(3)).toBe(false)
    both.sink.wake()
    expect(await both.sink.ready()).toBe(true)
  })

  test('holds no more once the stream is closed, whoever has closed it', async () => {
    const both = new Both()
    both.sink.write('x'.repeat(21), 1)
    const fromOutside = watch(both.sink.ready())
    const over = watch(both.sink.untilClosed().then(() => 'closed'))
    expect(both.creditor.close('client')).toBe(true)
    both.sink.wake()
    await settled()
    expect([fromOutside.value, over.value]).toEqual([false, 'closed'])

    const other = new Both()
    other.sink.write('x'.repeat(21), 1)
    const byItself = watch(other.sink.ready())
    other.sink.end()
    await settled()
    expect(byItself.value).toBe(false)
  })

  test('a message that brings nothing new wakes nobody', async () => {
    const both = new Both()
    both.sink.write('x'.repeat(21), 1)
    const [ready, over] = [watch(both.sink.ready()), watch(both.sink.untilClosed().then(() => 'closed'))]
    both.sink.wake()
    await settled()
    expect([ready.value, over.value]).toEqual(['pending', 'pending'])
  })
})

/**
 * Another thread, which writes a word of credit as soon as somebody waits in place for one to change. Nothing else
 * could: until then this thread stands still.
 */
function changesLater(credit: SharedArrayBuffer, word: number, value: number): void {
  const script = `
    const { workerData: [credit, word, value] } = require('node:worker_threads')
    const words = new Int32Array(credit)
    const [WAITING, TURN] = [2, 3]
    const look = () => {
      if (Atomics.load(words, WAITING) === 0) return setTimeout(look, 1)
      Atomics.store(words, word, value)
      Atomics.store(words, WAITING, 0)
      Atomics.add(words, TURN, 1)
      Atomics.notify(words, TURN)
    }
    look()`
  new Worker(script, { eval: true, workerData: [credit, word, value] }).unref()
}

describe('waiting in place', () => {
  test('readySync() waits until enough was taken, and no longer than it may', () => {
    const both = new Both()
    both.sink.write('x'.repeat(20), 1)
    expect(both.reader.rest()).toBe(true)
    expect(both.sink.readySync(0)).toBe(true)
    both.sink.write('x', 1)
    expect(both.sink.readySync(1)).toBe(false)
    // A reader that rests is wanted.
    expect(both.bells).toBe(1)
    changesLater(both.credit, DRAINED, 1)
    expect(both.sink.readySync(Infinity)).toBe(true)
  })

  test('readySync() ends when the stream is closed', () => {
    const both = new Both()
    both.sink.write('x'.repeat(21), 1)
    changesLater(both.credit, CLOSED, BY_CLIENT)
    expect(both.sink.readySync(Infinity)).toBe(false)
  })

  test('write() waits only for what would be over its bound, and not below the mark', () => {
    const both = new Both({ highWaterMark: 20, blockOver: 30 })
    // Below the mark anything may, however long.
    expect(both.sink.write('x'.repeat(20), 1)).toBe(true)
    expect(both.sink.write('y'.repeat(5), 1)).toBe(false)
    // Exactly at the bound.
    expect(both.sink.write('z'.repeat(5), 1)).toBe(false)
    changesLater(both.credit, DRAINED, 11)
    expect(both.sink.write('1', 1)).toBe(true)
    expect(both.debtor.owed).toBe(20)
    expect(both.sink.write('w'.repeat(40), 1)).toBe(false)
    expect(both.read).toBe(`${'x'.repeat(20)}yyyyyzzzzz1${'w'.repeat(40)}`)
  })

  test('write() that waits when the stream is closed writes nothing', () => {
    const both = new Both({ highWaterMark: 20, blockOver: 30 })
    both.sink.write('x'.repeat(40), 1)
    changesLater(both.credit, CLOSED, BY_CLIENT)
    expect(both.sink.write('late', 1)).toBe(false)
    expect(both.read).toBe('x'.repeat(40))
    expect(both.debtor.owed).toBe(40)
  })
})
