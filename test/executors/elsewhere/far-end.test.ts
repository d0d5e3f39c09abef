/** The far end of a link whose near end the test plays. */
import { describe, expect, test } from 'vitest'
import { FarEnd, FrameKind, type Frame, type Order } from '../../../src/executors/elsewhere/index.ts'
import { decodeError } from '../../../src/executors/elsewhere/error-transport.ts'
import { referenceOf } from '../../../src/executors/elsewhere/order.ts'
import type { PortableProducer } from '../../../src/index.ts'
import { until } from '../../../src/testing/flags.ts'
import * as producers from './far-producers.ts'

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

const turns = async (count = 20): Promise<void> => {
  for (let n = 0; n < count; n++) await new Promise((resolve) => setImmediate(resolve))
}

describe('the credit', () => {
  test('a near end that stops reading gets the high-water mark and one event, whatever follows', async () => {
    const near = new PlayedNear(orderOf(producers.endless))
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
    const near = new PlayedNear(orderOf(producers.endless))
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

describe('a link that fails to send', () => {
  test.each<[string, PortableProducer]>([
    ['a generator', producers.endless],
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
    const near = new PlayedNear(orderOf(producers.endless), ({ kind }) => {
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
