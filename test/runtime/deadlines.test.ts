import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { connectionTimeout, Deadlines, streamTimeout, type Limited } from '../../src/runtime/deadlines.ts'
import type { CutReason } from '../../src/runtime/executor.ts'
import type { Timeouts } from '../../src/runtime/options.ts'
import { livingTimers } from '../support/timers.ts'

/** The most that a look is late: a quarter of the limit. */
const LATE = 1.25
/** Far beyond the time that a client gets to take what waits for it. */
const DRAINED_MS = 60_000

/** What is limited: its sink, and what was done to it, in order. */
class Stream implements Limited {
  readonly sink = { events: 0, closed: false }
  readonly calls: string[] = []
  readonly errors: Error[] = []
  onCut: (() => void) | undefined

  cut(reason: CutReason, error: Error): void {
    this.errors.push(error)
    this.calls.push(`cut: ${reason}, ${(error as Error & { timeout: string }).timeout}`)
    this.onCut?.()
  }

  destroy(): void {
    this.calls.push('destroy')
  }
}

const limits = (set: Timeouts): Required<Timeouts> => ({ firstEventMs: 0, idleMs: 0, totalMs: 0, ...set })

/** A stream whose head has left, under these limits. */
function open(set: Timeouts): { stream: Stream; deadlines: Deadlines } {
  const stream = new Stream()
  return { stream, deadlines: new Deadlines(limits(set), stream) }
}

/** Lets time pass, and has an event come so often meanwhile. */
function pass(ms: number, stream?: Stream, eachMs = ms): void {
  for (let left = ms; left > 0; left -= eachMs) {
    vi.advanceTimersByTime(Math.min(eachMs, left))
    if (stream !== undefined) stream.sink.events++
  }
}

describe('a stream without limits', () => {
  test('has no deadlines', () => {
    expect(Deadlines.of(limits({}), new Stream())).toBeUndefined()
  })

  test.each(['firstEventMs', 'idleMs', 'totalMs'] as const)('has some as soon as %s is set', (limit) => {
    const deadlines = Deadlines.of(limits({ [limit]: 1_000 }), new Stream())
    expect(deadlines).toBeInstanceOf(Deadlines)
    deadlines?.stop()
  })
})

describe('with time that the test lets pass', () => {
  beforeEach(() => void vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] }))
  afterEach(() => void vi.useRealTimers())

  describe('firstEventMs', () => {
    test('strikes where no event has come since the head', () => {
      const { stream } = open({ firstEventMs: 1_000 })
      pass(999)
      expect(stream.calls).toEqual([])
      pass(251)
      expect(stream.calls).toEqual(['cut: timeout, firstEventMs'])
      expect(stream.errors).toEqual([
        expect.objectContaining({
          code: 'HF_ERR_STREAM_TIMEOUT',
          message: expect.stringContaining('no event came within 1000 ms of the head') as string,
        }),
      ])
    })

    test('does not strike any more when one has come', () => {
      const { stream } = open({ firstEventMs: 1_000 })
      pass(999)
      stream.sink.events = 1
      pass(100_000)
      expect(stream.calls).toEqual([])
    })
  })

  describe('idleMs', () => {
    test('does not count before the first event', () => {
      const { stream } = open({ idleMs: 1_000 })
      pass(100_000)
      expect(stream.calls).toEqual([])
    })

    test('strikes when none has come since the one before', () => {
      const { stream } = open({ idleMs: 1_000 })
      pass(10_000, stream, 999)
      expect(stream.calls).toEqual([])
      pass(1_000 * LATE)
      expect(stream.calls).toEqual(['cut: timeout, idleMs'])
      expect(stream.errors[0]?.message).toContain('no event came for 1000 ms')
    })

    test('counts from the first event, also where that may take much longer to come', () => {
      const { stream } = open({ firstEventMs: 100_000, idleMs: 1_000 })
      pass(50_100)
      stream.sink.events = 1
      pass(1_000 * LATE)
      expect(stream.calls).toEqual(['cut: timeout, idleMs'])
    })

    test('is not the limit of the first event, where that has one of its own', () => {
      const { stream } = open({ firstEventMs: 2_000, idleMs: 1_000 })
      pass(1_999)
      expect(stream.calls).toEqual([])
      pass(251)
      expect(stream.calls).toEqual(['cut: timeout, firstEventMs'])
    })

    test('of a stream that has ended does not strike: no event can come any more', () => {
      const { stream } = open({ firstEventMs: 1_000, idleMs: 1_000 })
      pass(500, stream, 500)
      stream.sink.closed = true
      pass(100_000)
      expect(stream.calls).toEqual([])
    })
  })

  describe('totalMs', () => {
    test('strikes whatever has come', () => {
      const { stream } = open({ totalMs: 1_000 })
      pass(999, stream, 10)
      expect(stream.calls).toEqual([])
      pass(1, stream)
      expect(stream.calls).toEqual(['cut: timeout, totalMs'])
      expect(stream.errors[0]?.message).toContain('the response was not over 1000 ms after the head')
    })

    test('breaks off a stream that has ended, and whose client takes too long for the rest', () => {
      const { stream } = open({ totalMs: 1_000 })
      stream.sink.closed = true
      pass(1_000)
      expect(stream.calls).toEqual(['cut: timeout, totalMs', 'destroy'])
      pass(DRAINED_MS)
      expect(stream.calls).toHaveLength(2)
    })
  })

  describe('once a limit has struck', () => {
    test('the client gets some time to take what waits for it, and is cut off then', () => {
      const { stream } = open({ totalMs: 1_000 })
      pass(1_000)
      expect(stream.calls).toEqual(['cut: timeout, totalMs'])
      pass(DRAINED_MS)
      expect(stream.calls).toEqual(['cut: timeout, totalMs', 'destroy'])
    })

    test('a client that has taken it meanwhile is left alone', () => {
      const { stream, deadlines } = open({ totalMs: 1_000 })
      pass(1_000)
      deadlines.stop()
      pass(DRAINED_MS)
      expect(stream.calls).toEqual(['cut: timeout, totalMs'])
    })

    test('a silence is not looked for any more', () => {
      const { stream } = open({ totalMs: 1_000, idleMs: 400 })
      pass(1_000, stream, 100)
      pass(DRAINED_MS)
      expect(stream.calls).toEqual(['cut: timeout, totalMs', 'destroy'])
    })

    test('totalMs still ends the time of a client that is slow to take the rest', () => {
      const { stream } = open({ firstEventMs: 1_000, totalMs: 1_500 })
      // As a connection that is cut: nothing more is taken.
      stream.onCut = () => (stream.sink.closed = true)
      pass(1_500)
      expect(stream.calls).toEqual(['cut: timeout, firstEventMs', 'cut: timeout, totalMs', 'destroy'])
    })
  })

  test('stop: no limit strikes when the response is over', () => {
    const { stream, deadlines } = open({ firstEventMs: 1_000, idleMs: 1_000, totalMs: 1_000 })
    deadlines.stop()
    pass(100_000)
    expect(stream.calls).toEqual([])
    expect(vi.getTimerCount()).toBe(0)
  })
})

describe('with time that passes by itself', () => {
  test('one for which the thread was blocked counts as one look', async () => {
    const { stream, deadlines } = open({ idleMs: 100 })
    let onLook: (() => void) | undefined
    let events = 1
    Object.defineProperty(stream.sink, 'events', {
      get: () => {
        onLook?.()
        return events
      },
    })
    const look = async (): Promise<void> => new Promise((resolve) => (onLook = resolve))
    await look()
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 400)
    // The look that is due comes before what another thread has sent meanwhile.
    await look()
    events++
    stream.calls.push('event')
    await new Promise<void>((resolve) => (stream.onCut = resolve))
    deadlines.stop()
    expect(stream.calls).toEqual(['event', 'cut: timeout, idleMs'])
  })

  test('keeps no process alive', () => {
    const before = livingTimers()
    const { deadlines } = open({ firstEventMs: 1_000, idleMs: 1_000, totalMs: 1_000 })
    expect(livingTimers()).toBe(before)
    deadlines.stop()
  })
})

describe('the error of a limit', () => {
  test('of the queue of workers()', () => {
    const error = streamTimeout('maxQueueWaitMs', 5)
    expect(error).toMatchObject({ code: 'HF_ERR_STREAM_TIMEOUT', timeout: 'maxQueueWaitMs' })
    expect(error.message).toContain('no thread was free within 5 ms')
  })

  test("of the server's own", () => {
    const error = connectionTimeout()
    expect(error).toMatchObject({ code: 'HF_ERR_STREAM_TIMEOUT', timeout: 'connectionTimeout' })
    expect(error.message).toContain('nothing was sent or received on its connection for so long')
  })
})
