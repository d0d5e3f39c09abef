/** The far end of a link whose near end the test plays. */
import { describe, expect, onTestFinished, test } from 'vitest'
import { FarEnd, FrameKind, type Frame, type Order } from '../../../src/executors/elsewhere/index.ts'
import { decodeError } from '../../../src/executors/elsewhere/error-transport.ts'
import { referenceOf } from '../../../src/executors/elsewhere/order.ts'
import type { PortableProducer } from '../../../src/index.ts'
import { until } from '../../../src/testing/flags.ts'
import * as producers from './far-end-producers.ts'

function orderOf(producer: PortableProducer<never>, input: unknown = {}): Order {
  return {
    producer: referenceOf({ producer }),
    input,
    lastEventId: undefined,
    context: { requestId: '1', route: 'GET /' },
    coded: undefined,
    logLevel: 'info',
    highWaterMark: 1_000,
  }
}

class PlayedNear {
  readonly frames: Frame[] = []
  readonly far: FarEnd

  /** @param refuse throws for a frame that the link does not take */
  constructor(order: Order, refuse: (frame: Frame) => void = () => {}) {
    this.far = new FarEnd(order, (frame) => {
      refuse(frame)
      this.frames.push(frame)
    })
    onTestFinished(() => this.far.take({ closed: 'client' }))
  }

  get kinds(): FrameKind[] {
    return this.frames.map(({ kind }) => kind)
  }

  get bytes(): number {
    return this.frames.reduce(
      (sum, { kind, payload }) => sum + (kind === FrameKind.DATA ? (payload?.byteLength ?? 0) : 0),
      0,
    )
  }

  get error(): unknown {
    return decodeError(this.frames.at(-1)?.payload as Uint8Array)
  }
}

/** What a producer of this name has noted. */
const notesOf = (name: string): readonly unknown[] => producers.seen.get(name) ?? []

const turns = async (count = 20): Promise<void> => {
  for (let n = 0; n < count; n++) await new Promise((resolve) => setImmediate(resolve))
}

describe('the credit', () => {
  test('a near end that stops reading gets the high-water mark and one event, whatever follows', async () => {
    const near = new PlayedNear(orderOf(producers.long))
    const done = near.far.run()
    await until(() => near.bytes > 1_000, 'the high-water mark')
    await turns()
    const event = near.frames[1]?.payload?.byteLength ?? 0
    expect(event).toBeGreaterThan(0)
    expect(near.bytes).toBeLessThanOrEqual(1_000 + event)
    near.far.take({ drained: near.bytes })
    const half = near.bytes
    await until(() => near.bytes > half + 1_000, 'as much again')
    await turns()
    expect(near.bytes).toBeLessThanOrEqual(half + 1_000 + event)
    near.far.take({ closed: 'client' })
    await done
    expect(near.kinds.at(-1)).toBe(FrameKind.DONE)
  })

  test('a report that is older than the last one takes nothing back', async () => {
    const near = new PlayedNear(orderOf(producers.long))
    const done = near.far.run()
    await until(() => near.bytes > 1_000, 'the high-water mark')
    const first = near.bytes
    near.far.take({ drained: first })
    near.far.take({ drained: 10 })
    await until(() => near.bytes > first + 1_000, 'as much again')
    near.far.take({ closed: 'client' })
    await done
    expect(near.kinds.at(-1)).toBe(FrameKind.DONE)
  })

  test('100,000 events in one turn are as many frames, in order, and the last is the end', async () => {
    const near = new PlayedNear(orderOf(producers.bursting, { count: 100_000 }))
    await near.far.run()
    expect(near.frames).toHaveLength(100_002)
    expect(near.kinds.at(-1)).toBe(FrameKind.DONE)
    const last = near.frames.at(-2)?.payload as Uint8Array
    expect(Buffer.from(last).toString()).toBe('data: 99999\n\n')
  })
})

describe('a stream', () => {
  test('events and lines are frames of their own, with their number', async () => {
    const near = new PlayedNear(orderOf(producers.closing))
    await near.far.run()
    const frames = near.frames.map(({ kind, payload = [], events }) => [kind, String(payload), events])
    expect(frames).toEqual([
      [FrameKind.START, '', undefined],
      [FrameKind.LEFT_OPEN, '', undefined],
      [FrameKind.DATA, ': almost\n', 0],
      [FrameKind.DATA, 'data: last\n\n', 1],
      [FrameKind.CLOSE, '', undefined],
      [FrameKind.DONE, '', undefined],
    ])
  })

  test('that is closed from outside: the producer gets the first reason, and sends nothing more', async () => {
    const near = new PlayedNear(orderOf(producers.observing, { name: 'closed' }))
    const done = near.far.run()
    await until(() => near.kinds.includes(FrameKind.DATA), 'the producer')
    near.far.take({ closed: 'timeout' })
    near.far.take({ closed: 'client' })
    await done
    expect(notesOf('closed')).toEqual(['timeout', true, false, false, false])
    expect(near.kinds).toEqual([FrameKind.START, FrameKind.DATA, FrameKind.DONE])
  })

  test('that is closed from outside: a producer that awaits its signal comes to its end', async () => {
    const near = new PlayedNear(orderOf(producers.awaiting, { name: 'awaiting' }))
    const done = near.far.run()
    await until(() => near.kinds.includes(FrameKind.DATA), 'the producer')
    near.far.take({ closed: 'shutdown' })
    await done
    expect(notesOf('awaiting')).toEqual(['shutdown'])
  })

  test('that its producer closes at once', async () => {
    const near = new PlayedNear(orderOf(producers.closingAtOnce))
    await near.far.run()
    expect(near.frames).toStrictEqual([
      { kind: FrameKind.START },
      { kind: FrameKind.CLOSE },
      { kind: FrameKind.DONE },
    ])
  })

  test('whose producer is done takes nothing from what that has left running', async () => {
    const near = new PlayedNear(orderOf(producers.leaving, { name: 'leaving' }))
    await near.far.run()
    await until(() => notesOf('leaving').length > 0, 'what it has left')
    expect(notesOf('leaving')).toEqual([true, false, false])
    expect(near.kinds).toEqual([FrameKind.START, FrameKind.DONE])
  })

  test('that is closed before its module has loaded has no producer', async () => {
    const near = new PlayedNear(orderOf(producers.observing, { name: 'early' }))
    const done = near.far.run()
    near.far.take({ closed: 'client' })
    await done
    expect(near.kinds).toEqual([FrameKind.DONE])
    expect(producers.seen.has('early')).toBe(false)
  })

  test('above the high-water mark send() is false, and ready() waits for the report that takes it back', async () => {
    const near = new PlayedNear(orderOf(producers.answered, { name: 'pressed' }))
    const done = near.far.run()
    await until(() => notesOf('pressed').includes('waits'), 'the producer')
    const ten = Array.from({ length: 10 }, () => true)
    expect(notesOf('pressed')).toEqual([true, ...ten, false, 'waits'])
    near.far.take({ drained: 99 })
    await turns()
    expect(notesOf('pressed')).toHaveLength(13)
    near.far.take({ drained: 100 })
    await done
    expect(notesOf('pressed').slice(13)).toEqual([true])
  })

  test('ready() is false when the stream is closed meanwhile', async () => {
    const near = new PlayedNear(orderOf(producers.answered, { name: 'left' }))
    const done = near.far.run()
    await until(() => notesOf('left').includes('waits'), 'the producer')
    near.far.take({ closed: 'client' })
    await done
    expect(notesOf('left').at(-1)).toBe(false)
  })

  test('a message of another kind changes nothing', async () => {
    const order = orderOf(producers.observing, { name: 'again' })
    const near = new PlayedNear(order)
    const done = near.far.run()
    await until(() => near.kinds.includes(FrameKind.DATA), 'the producer')
    near.far.take({ order })
    await turns()
    expect(near.kinds).toEqual([FrameKind.START, FrameKind.DATA])
    near.far.take({ closed: 'client' })
    await done
  })

  test('a module that registers headfirst here is refused', async () => {
    const { default: Fastify } = await import('fastify')
    const { default: headfirst } = await import('../../../src/index.ts')
    const near = new PlayedNear(orderOf(producers.silent))
    await near.far.run()
    await expect(Fastify().register(headfirst)).rejects.toThrow(
      expect.objectContaining({ code: 'HF_ERR_SERVER_ON_THREAD' }) as Error,
    )
  })
})

describe('a link that fails to send', () => {
  test.each<[string, PortableProducer]>([
    ['a generator', producers.long],
    ['one that sends', producers.sending],
    ['one that sends nothing', producers.silent],
  ])('anything: the producer comes to its end (%s), and run() resolves', async (_, producer) => {
    const near = new PlayedNear(orderOf(producer), () => {
      throw new Error('the link is closed')
    })
    await near.far.run()
    expect(near.frames).toEqual([])
  })

  test('an event: what it throws is the error of the stream', async () => {
    const near = new PlayedNear(orderOf(producers.long), ({ kind }) => {
      if (kind === FrameKind.DATA) throw new RangeError('too large')
    })
    await near.far.run()
    expect(near.kinds).toEqual([FrameKind.START, FrameKind.ERROR])
    expect(near.error).toMatchObject({ name: 'RangeError', message: 'too large' })
  })

  test('the error of a producer: run() resolves', async () => {
    const near = new PlayedNear(orderOf(producers.throwing), ({ kind }) => {
      if (kind === FrameKind.ERROR) throw new Error('the link is closed')
    })
    await near.far.run()
    expect(near.kinds).toEqual([FrameKind.START])
  })
})
