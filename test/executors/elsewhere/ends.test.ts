/** The two ends of a link, with the other end in the test's own hand. */
import { describe, expect, test } from 'vitest'
import type { CloseReason, ElsewhereTask, TaskSink } from '../../../src/index.ts'
import { FrameKind, NearEnd, type Frame, type ToFarEnd } from '../../../src/executors/elsewhere/index.ts'
import { encodeError } from '../../../src/executors/elsewhere/error-transport.ts'
import { until } from '../../../src/testing/flags.ts'
import * as producers from '../../../src/testing/producers.ts'
import { Linked } from '../../support/linked-executor.ts'
import { EXECUTORS } from '../../support/executors.ts'
import { Testbed } from '../../support/testbed.ts'
import * as endless from '../../support/producers/endless.ts'

/** A task as anybody can make one: it notes what it is told. */
class NotedTask implements ElsewhereTask {
  readonly told: unknown[][] = []
  readonly executor = 'noted'
  readonly route = 'GET /'
  readonly producer = producers.numbers
  readonly input = { count: 1 }
  readonly lastEventId = undefined
  readonly context = { requestId: '1', route: 'GET /' }
  readonly options = { highWaterMark: 10, maxBuffered: 100, overflow: 'close' as const }
  readonly coded = undefined
  readonly closed = false
  /** Bytes that the client has not taken, and what is called when it has. */
  buffered = 0
  caughtUp: (() => void) | undefined

  readonly log: ElsewhereTask['log'] = Object.assign(
    Object.fromEntries(
      ['trace', 'debug', 'info', 'warn', 'error', 'fatal'].map((level) => [
        level,
        (...line: unknown[]) => void this.told.push([level, ...line]),
      ]),
    ) as unknown as Omit<ElsewhereTask['log'], 'level'>,
    { level: 'info' },
  )

  readonly sink: TaskSink = {
    write: (chunk, events) => {
      this.told.push(['write', String(chunk), events])
      return this.buffered <= this.options.highWaterMark
    },
    writeCoded: () => expect.unreachable('nothing is coded'),
    endTurn: () => {},
    ready: async () => new Promise((resolve) => (this.caughtUp = () => resolve(true))),
    closed: false,
    events: 0,
    get buffered() {
      return task().buffered
    },
  }

  constructor() {
    task = () => this
  }

  start(): void {
    this.told.push(['start'])
  }
  leftOpen(): void {
    this.told.push(['leftOpen'])
  }
  close(): void {
    this.told.push(['close'])
  }
  end(): void {
    this.told.push(['end'])
  }
  fail(error: unknown): void {
    this.told.push(['fail', (error as Error).message])
  }
  lose(error: Error): void {
    this.told.push(['lose', error.message])
  }
  cut(reason: CloseReason): void {
    this.told.push(['cut', reason])
  }
}

let task: () => NotedTask

interface Near {
  noted: NotedTask
  sent: ToFarEnd[]
  near: NearEnd
}

function makeNear(): Near {
  const noted = new NotedTask()
  const sent: ToFarEnd[] = []
  return { noted, sent, near: new NearEnd(noted, (message) => sent.push(message)) }
}

const event = (text: string): Frame => ({ kind: FrameKind.DATA, payload: Buffer.from(text), events: 1 })

describe('the near end', () => {
  test('orders, and hands over what comes in its order', () => {
    const { noted, sent, near } = makeNear()
    expect(sent).toEqual([
      {
        order: expect.objectContaining({
          input: { count: 1 },
          highWaterMark: 10,
          logLevel: 'info',
        }) as unknown,
      },
    ])
    near.take({ kind: FrameKind.START })
    near.take(event('data: 1\n\n'))
    near.take({ kind: FrameKind.LEFT_OPEN })
    near.take({
      kind: FrameKind.LOG,
      payload: Buffer.from(JSON.stringify({ level: 'warn', fields: { n: 1 }, message: 'said' })),
    })
    near.take({ kind: FrameKind.CLOSE })
    expect(near.isOver).toBe(false)
    near.take({ kind: FrameKind.DONE })
    expect(near.isOver).toBe(true)
    expect(noted.told).toEqual([
      ['start'],
      ['write', 'data: 1\n\n', 1],
      ['leftOpen'],
      ['warn', { n: 1 }, 'said'],
      ['close'],
      ['end'],
    ])
  })

  test('joins the parts of an event that was too large for one message', () => {
    const { noted, near } = makeNear()
    near.take({ kind: FrameKind.PART, payload: Buffer.from('data: ') })
    near.take({ kind: FrameKind.PART, payload: Buffer.from('large') })
    near.take(event('\n\n'))
    expect(noted.told).toEqual([['write', 'data: large\n\n', 1]])
  })

  test('tells how far the client is when it matters, and once', async () => {
    const { noted, sent, near } = makeNear()
    near.take(event('1234'))
    expect(sent).toHaveLength(1)
    near.take(event('5678'))
    expect(sent.slice(1)).toEqual([{ drained: 8 }])
    // The client is behind: it is told when it has caught up.
    noted.buffered = 20
    near.take(event('x'.repeat(20)))
    near.take(event('y'))
    expect(sent).toHaveLength(2)
    noted.buffered = 0
    noted.caughtUp?.()
    await until(() => sent.length === 3, 'the third message')
    expect(sent[2]).toEqual({ drained: 29 })
  })

  test('tells it at once where the far end counts more than the high-water mark as under way', () => {
    const { noted, sent, near } = makeNear()
    near.take(event('1234'))
    // The client has taken less than half of the mark: not worth a message yet.
    expect(sent).toHaveLength(1)
    noted.buffered = 7
    near.take(event('1234567'))
    // At the far end 11 bytes would be under way, and no frame would come any more.
    expect(sent.slice(1)).toEqual([{ drained: 4 }])
  })

  test.each<[string, Frame]>([
    ['an error that is none', { kind: FrameKind.ERROR, payload: Buffer.from('null') }],
    ['a line that is none', { kind: FrameKind.LOG, payload: Buffer.from('5') }],
    ['a kind that there is not', { kind: 99 as FrameKind }],
    ['coded events, which nobody asked for', { kind: FrameKind.CODED, payload: Buffer.from('x') }],
  ])('loses a stream for %s', (_, frame) => {
    const { noted, near } = makeNear()
    near.take({ kind: FrameKind.START })
    near.take(frame)
    expect(near.isOver).toBe(true)
    expect(noted.told.at(-1)?.[0]).toBe('lose')
    const told = noted.told.length
    near.take(event('late'))
    near.take({ kind: FrameKind.DONE })
    near.lose(new Error('again'))
    expect(noted.told).toHaveLength(told)
  })

  test('an event without its end loses the stream', () => {
    const { noted, near } = makeNear()
    near.take({ kind: FrameKind.PART, payload: Buffer.from('data: ') })
    near.take({ kind: FrameKind.DONE })
    expect(noted.told).toEqual([['lose', 'an event without its end']])
  })

  test('an error of the producer is told as it was', () => {
    const { noted, near } = makeNear()
    near.take({ kind: FrameKind.START })
    near.take({ kind: FrameKind.ERROR, payload: encodeError(new TypeError('wrong')) })
    expect(noted.told.at(-1)).toEqual(['fail', 'wrong'])
    expect(near.isOver).toBe(true)
  })

  test('cancels while the stream is open, and no longer', () => {
    const { sent, near } = makeNear()
    near.cancel('client')
    near.take({ kind: FrameKind.DONE })
    near.cancel('shutdown')
    expect(sent.slice(1)).toEqual([{ closed: 'client' }])
  })
})

describe('both ends', () => {
  test('a far end that dies loses its streams', async () => {
    const linked = new Linked()
    const testbed = await Testbed.everywhere({ executor: 'linked', executors: { linked } })
    testbed.route('/', endless.ignores, { flags: new Int32Array(new SharedArrayBuffer(64)) as never })
    const client = await testbed.ask('/')
    await client.including('number 0')
    await linked.worker?.terminate()
    expect(await testbed.closeInfo()).toMatchObject({ reason: 'lost' })
    expect((await client.response()).complete).toBe(true)
    await testbed.idle()
  })

  test('the same bytes as on every other executor', async () => {
    const linked = new Linked()
    const testbed = await Testbed.everywhere({ executors: { linked } })
    for (const executor of [...EXECUTORS, 'linked']) {
      testbed.route(`/${executor}`, producers.varied, { count: 200 }, { executor })
    }
    const bodies = []
    for (const executor of [...EXECUTORS, 'linked']) {
      bodies.push((await testbed.request(`/${executor}`)).body)
    }
    expect(new Set(bodies).size).toBe(1)
    expect(bodies[0]).toContain('data: ')
  })
})
