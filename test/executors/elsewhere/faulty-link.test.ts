/** The near end of a link that brings what no far end sends, and of one that is broken. */
import { describe, expect, test } from 'vitest'
import { FrameKind, NearEnd, type Frame, type ToFarEnd } from '../../../src/executors/elsewhere/index.ts'
import { until } from '../../../src/testing/flags.ts'
import { PlayedTask } from './faulty-link-task.ts'

interface Near {
  task: PlayedTask
  sent: ToFarEnd[]
  near: NearEnd
}

function startedNear(highWaterMark?: number): Near {
  const task = new PlayedTask(highWaterMark)
  const sent: ToFarEnd[] = []
  const near = new NearEnd(task, (message) => sent.push(message))
  near.take({ kind: FrameKind.START })
  sent.length = 0
  task.calls.length = 0
  return { task, sent, near }
}

const event = (text: string): Frame => ({ kind: FrameKind.DATA, payload: Buffer.from(text), events: 1 })

function refuse(): never {
  throw new TypeError('no such value here')
}

describe('a frame that makes no sense loses its stream, and the far end gets the close', () => {
  test.each<[string, unknown]>([
    ['nothing', undefined],
    ['null', null],
    ['a text', 'frame'],
    ['no kind', {}],
    ['a kind that is a name', { kind: 'DATA' }],
    ['a payload that went through JSON', JSON.parse(JSON.stringify(event('data: 1\n\n')))],
    ['a payload that is a text', { kind: FrameKind.DATA, payload: 'data: 1\n\n', events: 1 }],
    ['a payload that is null', { kind: FrameKind.DATA, payload: null, events: 1 }],
    ['a payload that is a buffer without a view', { kind: FrameKind.DATA, payload: new ArrayBuffer(8) }],
    ['a negative number of events', { ...event('data: 1\n\n'), events: -1 }],
    ['part of an event', { ...event('data: 1\n\n'), events: 0.5 }],
    ['a number of events that is none', { ...event('data: 1\n\n'), events: NaN }],
    ['a number of events that is a text', { ...event('data: 1\n\n'), events: '1' }],
    ['an error that is no error', { kind: FrameKind.ERROR, payload: Buffer.from('null') }],
  ])('%s', (_, frame) => {
    const { task, sent, near } = startedNear()
    near.take(frame as Frame)
    expect(near.isOver).toBe(true)
    expect(task.calls).toEqual([['lose', expect.any(String)]])
    expect(sent).toEqual([{ closed: 'lost' }])
    near.take(event('late'))
    near.take({ kind: FrameKind.DONE })
    near.cancel('client')
    near.lose(new Error('again'))
    expect(task.calls).toHaveLength(1)
    expect(sent).toHaveLength(1)
  })

  test.each<[unknown, string]>([
    ['frame', 'a frame that is "frame", and no object'],
    [undefined, 'a frame that is undefined, and no object'],
    [
      JSON.parse(JSON.stringify(event('x'))),
      'a frame of kind 1 whose payload is an object (Object), and no Uint8Array',
    ],
    [{ ...event('x'), events: -1 }, 'a frame of kind 1 whose number of events is -1'],
    [{ kind: FrameKind.CODED, payload: Buffer.from('x') }, 'coded: true'],
    [{ kind: 99 }, 'kind 99'],
  ])('the message names what came: %o', (frame, message) => {
    const { task, near } = startedNear()
    near.take(frame as Frame)
    expect(task.calls).toEqual([['lose', message]])
  })

  test('when the link takes nothing more, the stream is lost all the same', () => {
    const task = new PlayedTask()
    const near = new NearEnd(task, (message) => {
      if (!('order' in message)) throw new Error('closed')
    })
    near.take({ kind: 99 as FrameKind })
    expect(task.calls).toEqual([['lose', 'kind 99']])
  })
})

describe('a frame that comes twice', () => {
  test.each([FrameKind.DONE, FrameKind.ERROR] as const)('the end: %i', (kind) => {
    const { task, near } = startedNear()
    const end: Frame = { kind, payload: Buffer.from('{"value":5}') }
    near.take(end)
    near.take(end)
    expect(task.calls).toHaveLength(1)
  })
})

describe('a link that fails to send', () => {
  test('the order: the error is the one of run()', () => {
    const task = new PlayedTask()
    expect(() => new NearEnd(task, refuse)).toThrow('no such value here')
    expect(task.calls).toEqual([])
  })

  test.each([
    ['while frames come', 8],
    ['when the client has caught up', 20],
  ])('how far the client is, %s: the stream is lost', async (_, bytes) => {
    const task = new PlayedTask()
    const near = new NearEnd(task, (message) => {
      if ('drained' in message) throw new Error('closed')
    })
    near.take({ kind: FrameKind.START })
    near.take(event('x'.repeat(bytes)))
    task.sink.drain()
    // The second event is the first that finds something drained.
    if (bytes < 10) near.take(event('y'))
    await until(() => near.isOver, 'the loss')
    expect(task.calls.at(-1)).toEqual(['lose', 'closed'])
  })
})

test('a link that throws what is no error loses the stream with an error that has it as its cause', () => {
  const task = new PlayedTask()
  const lost: Error[] = []
  task.lose = (error) => void lost.push(error)
  const near = new NearEnd(task, (message) => {
    // eslint-disable-next-line no-throw-literal, typescript/only-throw-error
    if ('drained' in message) throw 'closed'
  })
  task.sink.buffered = -8
  near.take(event('x'.repeat(8)))
  expect(lost).toEqual([new Error('a frame that makes no sense', { cause: 'closed' })])
})

describe('the credit', () => {
  test('is sent for half of the high-water mark, and again for the next half', () => {
    const { task, sent, near } = startedNear()
    const take = (bytes: number, waiting = 0): void => {
      // The client takes each event at once, but for what waits.
      task.sink.buffered = waiting - bytes
      near.take(event('x'.repeat(bytes)))
    }
    take(4)
    expect(sent).toEqual([])
    take(1)
    expect(sent).toEqual([{ drained: 5 }])
    take(4)
    expect(sent).toHaveLength(1)
    // So much as the far end may send, and no more: it does not wait.
    take(6, 6)
    expect(sent).toHaveLength(1)
    take(1, 6)
    expect(sent.slice(1)).toEqual([{ drained: 10 }])
  })

  test('is sent once, also if nothing may wait', () => {
    const { task, sent, near } = startedNear(0)
    near.take({ kind: FrameKind.DATA })
    expect(sent).toEqual([])
    task.sink.buffered = -1
    near.take(event('x'))
    near.take({ kind: FrameKind.DATA })
    expect(sent).toEqual([{ drained: 1 }])
  })

  test('a client that falls behind again at the moment in which it has caught up is reported in the end', async () => {
    const { task, sent, near } = startedNear()
    near.take(event('x'.repeat(20)))
    task.sink.drain()
    // In the same turn, so before anything that waits for the client goes on.
    near.take(event('y'.repeat(30)))
    await new Promise((resolve) => setImmediate(resolve))
    task.sink.drain()
    await until(() => sent.length > 0, 'the credit')
    expect(sent).toEqual([{ drained: 50 }])
  })
})
