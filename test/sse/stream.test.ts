import { describe, expect, test } from 'vitest'
import { allocateCredit, Creditor, Debtor } from '../../src/executors/workers/credit.ts'
import { RingSink } from '../../src/executors/workers/ring-sink.ts'
import { allocateRing, RingReader, RingWriter, MIN_RING_BYTES } from '../../src/executors/workers/ring.ts'
import type { StreamLog } from '../../src/index.ts'
import { abortStream, EventStream, onStreamClosed, type StreamSettings } from '../../src/sse/stream.ts'
import { Reading } from '../support/ring/frames.ts'
import { serveSink } from '../support/served-response.ts'

const settings: StreamSettings = {
  context: { requestId: 'req-1', route: 'GET /' },
  log: {} as StreamLog,
}

/** A stream of the server's thread, and its client. */
async function served(more: Partial<StreamSettings> = {}) {
  const { sink, client } = await serveSink((response) => response.end())
  return { stream: new EventStream(sink, { ...settings, ...more }), sink, client }
}

/** A stream of a worker, and what comes through its ring. */
function onWorker(more: Partial<StreamSettings> = {}) {
  const memory = allocateRing(MIN_RING_BYTES)
  const credit = allocateCredit(1)
  const debtor = new Debtor(credit, 0)
  const sink = new RingSink(new RingWriter(memory, () => {}), 1, debtor, {
    highWaterMark: 20,
    blockOver: undefined,
  })
  const reader = new RingReader(memory)
  const read = (): string => {
    const reading = new Reading()
    reader.drain(Infinity, reading)
    return reading.streams[1] ?? ''
  }
  return { stream: new EventStream(sink, { ...settings, ...more }), creditor: new Creditor(credit, 0), read }
}

describe('what is sent', () => {
  test('is an event, in whichever form, and a comment is none', async () => {
    const { stream, sink, client } = await served({ serializer: (data) => `<${String(data)}>` })
    expect(stream.send('text')).toBe(true)
    expect(stream.send({ id: '1', data: 5 })).toBe(true)
    expect(stream.comment('a word')).toBe(true)
    expect([sink.events, stream.closed]).toEqual([2, false])
    stream.close()
    expect((await client.response()).body).toBe('data: text\n\nid: 1\ndata: <5>\n\n: a word\n')
  })

  test('passes through a ring as the same bytes', () => {
    const { stream, read } = onWorker({ serializer: (data) => `<${String(data)}>` })
    expect(stream.send('text')).toBe(true)
    expect(stream.send({ data: 5 })).toBe(false)
    expect(stream.send({ event: 'e', data: 'two\nlines' })).toBe(false)
    expect(stream.comment('a word')).toBe(false)
    expect(read()).toBe('data: text\n\ndata: <5>\n\nevent: e\ndata: two\ndata: lines\n\n: a word\n')
  })

  test('is looked at only as long as somebody can get it', async () => {
    const { stream } = await served()
    expect(() => stream.send(undefined as never)).toThrow(
      expect.objectContaining({ code: 'HF_ERR_EVENT_INVALID' }),
    )
    expect(() => stream.comment(5 as never)).toThrow(expect.objectContaining({ code: 'HF_ERR_EVENT_FIELD' }))
    stream.close()
    expect(stream.send(undefined as never)).toBe(false)
    expect(stream.comment(5 as never)).toBe(false)
  })
})

test('what it knows of its request is what it was made with', () => {
  const log = {} as StreamLog
  const { stream } = onWorker({ lastEventId: '7', log })
  expect([stream.lastEventId, stream.context, stream.log]).toEqual(['7', settings.context, log])
})

describe('who waits for the client', () => {
  test('hears that it has caught up, or that the stream is closed', async () => {
    const { stream } = await served()
    expect(await stream.ready()).toBe(true)
    stream.close()
    expect(await stream.ready()).toBe(false)
  })

  test('can do so in place on a worker only', async () => {
    const { stream: elsewhere } = await served()
    expect(() => elsewhere.readySync()).toThrow(expect.objectContaining({ code: 'HF_ERR_CANNOT_BLOCK' }))
    const { stream, creditor } = onWorker()
    expect(stream.readySync()).toBe(true)
    stream.send('more than twenty bytes')
    expect(stream.readySync(0)).toBe(false)
    creditor.drained(30)
    expect(stream.readySync()).toBe(true)
    stream.close()
    expect(stream.readySync()).toBe(false)
  })

  test.each([NaN, -1, '5', null])('for no such time as %s', (timeoutMs) => {
    const { stream } = onWorker()
    expect(() => stream.readySync(timeoutMs as number)).toThrow(
      expect.objectContaining({
        code: 'HF_ERR_OPTION_INVALID',
        message: expect.stringContaining(
          'Option "timeoutMs" in stream.readySync() must be a number of milliseconds from 0, but got',
        ) as string,
      }),
    )
  })
})

/** What is called when a stream is closed. */
function listen(stream: EventStream): { reasons: unknown[]; takeBack: () => void } {
  const reasons: unknown[] = []
  const takeBack = onStreamClosed(stream, (error) => reasons.push((error as { reason?: string }).reason))
  return { reasons, takeBack }
}

describe('a stream that its producer closes', () => {
  test('is closed once, and its signal does not abort', () => {
    const { stream, read } = onWorker()
    const { signal } = stream
    const { reasons } = listen(stream)
    stream.send('1')
    expect(stream.closed).toBe(false)
    stream.close()
    stream.close()
    expect(stream.closed).toBe(true)
    expect(read()).toBe('data: 1\n\n\0\u0004')
    expect([reasons, signal.aborted, stream.signal.aborted]).toEqual([['ended'], false, false])
    expect(listen(stream).reasons).toEqual(['ended'])
  })
})

describe('a stream that is closed from outside', () => {
  test('aborts its signal with the reason, whether it was asked for before or is after', () => {
    for (const asked of [true, false]) {
      const { stream } = onWorker()
      const before = asked ? stream.signal : undefined
      const { reasons } = listen(stream)
      abortStream(stream, 'timeout')
      // The first reason stays.
      abortStream(stream, 'client')
      const { signal } = stream
      expect(signal).toBe(before ?? stream.signal)
      expect(signal.aborted).toBe(true)
      expect(signal.reason).toMatchObject({
        name: 'AbortError',
        code: 'HF_ERR_STREAM_CLOSED',
        reason: 'timeout',
      })
      expect([stream.closed, stream.send('late'), reasons]).toEqual([true, false, ['timeout']])
      expect(listen(stream).reasons).toEqual(['timeout'])
    }
  })

  test('calls nobody who has taken it back, and needs nobody to call', () => {
    const { stream } = onWorker()
    const { reasons, takeBack } = listen(stream)
    takeBack()
    abortStream(stream, 'client')
    expect(reasons).toEqual([])
  })

  test('is closed for its producer as soon as its sink is', async () => {
    const { stream, creditor } = onWorker()
    creditor.close('client')
    expect(stream.closed).toBe(true)
    expect(await stream.ready()).toBe(false)
    const { reasons } = listen(stream)
    expect(reasons).toEqual([])
    abortStream(stream, 'client')
    expect(reasons).toEqual(['client'])
  })
})

test('a callback for the close of a stream is called once, whoever closes it first', async () => {
  const reasons: unknown[] = []
  const closedTwice = async (first: (stream: EventStream) => void): Promise<void> => {
    const { stream } = await served()
    onStreamClosed(stream, (error) => reasons.push((error as { reason?: string }).reason))
    first(stream)
    abortStream(stream, 'client')
    stream.close()
  }
  await closedTwice((stream) => stream.close())
  await closedTwice((stream) => abortStream(stream, 'timeout'))
  expect(reasons).toEqual(['ended', 'timeout'])
})
