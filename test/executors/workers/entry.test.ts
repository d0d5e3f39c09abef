import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import { gunzipSync } from 'node:zlib'
import { describe, expect, onTestFinished, test } from 'vitest'
import { unpackPieces } from '../../../src/executors/elsewhere/coded-frame.ts'
import { Creditor } from '../../../src/executors/workers/credit.ts'
import { decodeError } from '../../../src/executors/elsewhere/error-transport.ts'
import { readLine } from '../../../src/executors/elsewhere/log.ts'
import {
  isHello,
  type Hello,
  type Notice,
  type StreamOrder,
} from '../../../src/executors/workers/protocol.ts'
import { FrameKind } from '../../../src/executors/elsewhere/frames.ts'
import { RingReader } from '../../../src/executors/workers/ring.ts'
import type { PortableProducer } from '../../../src/index.ts'
import { portability } from '../../../src/runtime/producer.ts'
import { CodedBody } from '../../../src/sse/compression.ts'
import { Flag, makeFlags, raise, untilRaised, until } from '../../../src/testing/flags.ts'
import { seesFirst, tells, waits } from './entry-producers.ts'
import { count } from '../../support/producers/plain.ts'
import { stays, listens, leavesTimer } from '../../support/producers/endless.ts'
import { throws } from '../../support/producers/failing.ts'

/** Words of one cell of the credit's memory. */
const WORDS = 5

/** A frame, as its kind and what it holds. */
type Frame = [kind: keyof typeof FrameKind, payload: string]

function nameOf(kind: FrameKind): keyof typeof FrameKind {
  const names = Object.keys(FrameKind) as (keyof typeof FrameKind)[]
  return names.find((name) => FrameKind[name] === kind) as keyof typeof FrameKind
}

/** A worker as a pool starts it, and the server's ends of its ring, its credit and its port in the test's hand. */
class Entry {
  readonly worker: Worker
  readonly hello: Hello
  readonly #reader: RingReader
  /** Orders that were done, by their streams' numbers. */
  readonly done: unknown[] = []
  /** What came through the ring, by stream. */
  readonly frames: Record<number, Frame[]> = {}
  /** Compressed events. */
  readonly coded: Buffer[] = []

  private constructor(worker: Worker, hello: Hello) {
    this.worker = worker
    this.hello = hello
    this.#reader = new RingReader(hello.ring)
    worker.on('message', (message) => this.done.push(message))
  }

  static async start(): Promise<Entry> {
    const workerData = { streams: 2, ringBytes: 65_536 }
    const worker = new Worker(new URL('entry-worker.ts', import.meta.url), { workerData })
    onTestFinished(async () => void (await worker.terminate()))
    const [hello] = (await once(worker, 'message')) as [unknown]
    if (!isHello(hello)) throw new Error(`got ${JSON.stringify(hello)}`)
    return new Entry(worker, hello)
  }

  order(stream: number, of: PortableProducer<never>, more: Partial<StreamOrder> = {}): StreamOrder {
    const { module, name } = portability(of) as { module: string; name: string | undefined }
    return {
      stream,
      cell: 0,
      producer: { module, name },
      input: undefined,
      lastEventId: undefined,
      context: { requestId: 'req-1', route: 'GET /' },
      coded: undefined,
      logLevel: 'info',
      highWaterMark: 100,
      blockOver: undefined,
      ...more,
    }
  }

  /** Gives it a stream, as a pool does; answers its credit. */
  run(order: StreamOrder, credit: Creditor = new Creditor(this.hello.credit, order.cell)): Creditor {
    this.worker.postMessage(order)
    return credit
  }

  /** What has come of a stream so far. */
  read(stream: number): Frame[] {
    this.#reader.drain(Infinity, {
      data: (number, bytes, _events, coded) => {
        if (coded) this.coded.push(bytes)
        ;(this.frames[number] ??= []).push(coded ? ['CODED', ''] : ['DATA', bytes.toString()])
      },
      control: (number, kind, payload) => {
        ;(this.frames[number] ??= []).push([nameOf(kind), Buffer.from(payload).toString()])
      },
    })
    return this.frames[stream] ?? []
  }

  /** Resolves when an order is done, with all frames of its stream. */
  async over(stream: number): Promise<Frame[]> {
    await until(() => this.done.includes(stream), `the end of stream ${stream}`)
    return this.read(stream)
  }

  /** The reader of its ring goes to sleep. */
  sleep(): boolean {
    return this.#reader.sleep()
  }

  /** Tells the worker to look at a stream's credit. */
  notify(stream: number): void {
    this.hello.port.postMessage({ stream } satisfies Notice)
  }
}

test('a thread greets with a ring and a credit of the sizes that it was told', async () => {
  const { hello } = await Entry.start()
  expect(hello.ring.byteLength).toBe(256 + 65_536)
  expect(hello.credit.byteLength).toBe(2 * WORDS * 4)
})

test('a thread rings where the reader of its ring sleeps', async () => {
  const entry = await Entry.start()
  expect(entry.sleep()).toBe(true)
  const bell = once(entry.hello.port, 'message')
  entry.run(entry.order(1, count, { input: { events: 1 } }))
  expect(await bell).toEqual([null])
  await entry.over(1)
})

test('a thread without streams keeps nothing alive but what its pool holds', async () => {
  const entry = await Entry.start()
  entry.run(entry.order(1, count, { input: { events: 1 } }))
  await entry.over(1)
  const exited = once(entry.worker, 'exit')
  entry.worker.postMessage('close')
  expect(await exited).toEqual([0])
})

describe('a stream', () => {
  test('begins, starts, sends and is done, in this order', async () => {
    const entry = await Entry.start()
    const [other, credit] = [0, 1].map((cell) => new Creditor(entry.hello.credit, cell))
    expect(credit?.begun).toBe(false)
    entry.run(entry.order(7, count, { cell: 1, input: { events: 2 } }), credit)
    expect(await entry.over(7)).toEqual([
      ['START', ''],
      ['DATA', 'data: 0\n\ndata: 1\n\n'],
      ['DONE', ''],
    ])
    expect([credit?.begun, other?.begun]).toEqual([true, false])
  })

  test('knows its request, and serializes and logs as its producer and its server want it', async () => {
    const entry = await Entry.start()
    const context = { requestId: 'req-7', route: 'GET /tells', user: 5 }
    const order = entry.order(1, tells, { input: { of: 'it' }, context, lastEventId: '41' })
    entry.run(order)
    const frames = await entry.over(1)
    const told = JSON.stringify({ input: { of: 'it' }, context, lastEventId: '41', frozen: true })
    expect(frames.map(([kind]) => kind)).toEqual(['START', 'DATA', 'LOG', 'DONE'])
    expect(frames[1]?.[1]).toBe(`data: told: ${told}\n\n`)
    expect(readLine(Buffer.from(frames[2]?.[1] as string))).toEqual({
      level: 'warn',
      fields: {},
      message: 'for this log',
    })
  })

  test('whose producer throws tells what, after what it had sent', async () => {
    const entry = await Entry.start()
    entry.run(entry.order(1, throws, { input: { events: 1 } }))
    const frames = await entry.over(1)
    expect(frames.map(([kind]) => kind)).toEqual(['START', 'DATA', 'ERROR'])
    expect(decodeError(Buffer.from(frames[2]?.[1] as string))).toBeInstanceOf(Error)
  })

  test.each([false, true])(
    'whose producer is not found never starts (closed meanwhile: %s)',
    async (closed) => {
      const entry = await Entry.start()
      const order = entry.order(1, count)
      const credit = new Creditor(entry.hello.credit, 0)
      if (closed) credit.close('client')
      entry.run({ ...order, producer: { ...order.producer, name: 'nobody' } }, credit)
      const frames = await entry.over(1)
      expect(frames.map(([kind]) => kind)).toEqual(['ERROR'])
      expect(decodeError(Buffer.from(frames[0]?.[1] as string))).toMatchObject({
        code: 'HF_ERR_PRODUCER_NOT_EXPORTED',
      })
    },
  )

  test('that was closed before its turn never starts, and is done', async () => {
    const entry = await Entry.start()
    const credit = new Creditor(entry.hello.credit, 0)
    credit.close('client')
    entry.run(entry.order(1, stays, { input: { flags: makeFlags() } }), credit)
    expect(await entry.over(1)).toEqual([['DONE', '']])
  })

  test('that its producer left open is done when it is closed, and its signal says why', async () => {
    const entry = await Entry.start()
    const flags = makeFlags()
    const reason = new Uint8Array(new SharedArrayBuffer(40))
    const staying = entry.run(entry.order(1, stays, { input: { flags } }))
    const listening = entry.run(entry.order(2, listens, { cell: 1, input: { flags, reason } }))
    await untilRaised(flags, Flag.STARTED, 2)
    // Of a stream that is none.
    entry.notify(3)
    listening.close('shutdown')
    entry.notify(2)
    await untilRaised(flags, Flag.SEEN)
    expect(Buffer.from(reason).toString().replaceAll('\0', '')).toBe('AbortError shutdown')
    expect((await entry.over(2)).map(([kind]) => kind)).toEqual(['START', 'DATA', 'ERROR'])
    expect(entry.done).toEqual([2])
    staying.close('client')
    entry.notify(1)
    expect((await entry.over(1)).map(([kind]) => kind)).toEqual(['START', 'DATA', 'LEFT_OPEN', 'DONE'])
  })

  test('that waits for its client goes on when it is told that it has caught up', async () => {
    const entry = await Entry.start()
    const credit = entry.run(entry.order(1, waits))
    await until(() => entry.read(1).length === 2, 'what it sends first')
    await new Promise((resolve) => setTimeout(resolve, 20))
    expect(entry.done).toEqual([])
    expect(credit.drained(208)).toBe(true)
    entry.notify(1)
    expect(await entry.over(1)).toEqual([
      ['START', ''],
      ['DATA', `data: ${'x'.repeat(200)}\n\n`],
      ['DATA', 'data: true\n\n'],
      ['DONE', ''],
    ])
  })

  test.each([false, true])(
    'whose producer saw first that it is closed tells what that left behind (it throws: %s)',
    async (fails) => {
      const entry = await Entry.start()
      const flags = makeFlags()
      const credit = entry.run(entry.order(1, seesFirst, { input: { flags, throws: fails } }))
      await untilRaised(flags, Flag.STARTED)
      // No notice comes with it.
      credit.close('shutdown')
      raise(flags, Flag.GO)
      expect((await entry.over(1)).map(([kind]) => kind)).toEqual(['START', fails ? 'ERROR' : 'DONE'])
      expect([flags[Flag.SEEN], flags[Flag.OVER]]).toEqual([1, 0])
    },
  )

  test('that came to its own end aborts nothing', async () => {
    const entry = await Entry.start()
    const flags = makeFlags()
    entry.run(entry.order(1, seesFirst, { input: { flags, throws: false } }))
    raise(flags, Flag.GO)
    await entry.over(1)
    expect([flags[Flag.STARTED], flags[Flag.SEEN], flags[Flag.OVER]]).toEqual([1, 0, 0])
  })

  test('that is over is closed for what its producer left behind, which writes nothing more', async () => {
    const entry = await Entry.start()
    const flags = makeFlags()
    entry.run(entry.order(1, leavesTimer, { input: { flags } }))
    await entry.over(1)
    raise(flags, Flag.GO)
    await untilRaised(flags, Flag.OVER)
    expect(flags[Flag.SEEN]).toBe(1)
    expect(entry.read(1)).toEqual([
      ['START', ''],
      ['DATA', 'data: only\n\n'],
      ['DONE', ''],
    ])
  })

  test.each(['', 'retry: 5\n'])(
    'is compressed where it is asked to be, after its first words (%j)',
    async (firstWords) => {
      const entry = await Entry.start()
      const coded = { coding: 'gzip', firstWords } as const
      entry.run(entry.order(1, count, { input: { events: 3 }, coded }))
      const frames = await entry.over(1)
      const kinds = frames.map(([kind]) => kind).filter((kind) => kind !== 'CODED')
      expect(kinds).toEqual(['START', 'DONE'])
      expect(frames[0]?.[0]).toBe(firstWords === '' ? 'START' : 'CODED')
      const { blocks, checksum } = unpackPieces(Buffer.concat(entry.coded))
      const body = new CodedBody('gzip')
      expect(gunzipSync(Buffer.concat([body.prefix(), blocks, body.end('', checksum)])).toString()).toBe(
        `${firstWords}data: 0\n\ndata: 1\n\ndata: 2\n\n`,
      )
    },
  )
})
